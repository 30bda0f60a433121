/** Why a member whose log is gone does not start. */
import { type StorageError, storageError } from '../base/errors.ts'
import type { Identity } from '../storage/identity.ts'

/** A member without its log has lost its votes: it must not come back as if it had never voted. */
export function lostLog(identity: Identity): StorageError {
  return storageError('logDamaged', {
    message: `node ${identity.nodeId} is replica ${identity.replicaId} of cluster ${identity.clusterId}, but its log is gone`,
    hint: 'Put the log directory back, or start the node on an empty data directory with --join so that it comes back as a new replica.',
  })
}
