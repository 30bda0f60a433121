/** How a data directory that can't be this node's says so. None of these heals by itself; all end the start. */

import { type StorageError, storageError } from '../base/errors.ts'
import type { NodeId } from '../base/ids.ts'

const FILES_SHOWN_MAX = 5

export const identityError = {
  corrupt(detail: string): StorageError {
    return storageError('checksumMismatch', {
      message: `the file identity in the data directory is damaged: ${detail}`,
      context: { path: 'identity' },
      healsByItself: false,
      hint:
        'Restore the file from a copy of the directory. Without one, empty the directory and let the node join its ' +
        'cluster as a new one (--join); if it was the only node, restore a backup.',
    })
  },

  newerFormat(found: number, known: number): StorageError {
    return storageError('newerFormat', {
      message: `the data directory was written by a newer version: its format is ${found}, this version knows ${known}`,
      context: { path: 'identity', found, known },
    })
  },

  otherNode(owner: NodeId, asked: NodeId): StorageError {
    return storageError('dataDirectoryOfAnotherNode', {
      message: `the data directory belongs to node ${owner}, and --node-id says ${asked}`,
      context: { owner, asked },
      hint: `Leave out --node-id or say ${owner}; a second node needs an empty directory of its own. Never copy one.`,
    })
  },

  alreadyInCluster(clusterId: string): StorageError {
    return storageError('dataDirectoryOfAnotherNode', {
      message: `the data directory already holds the cluster ${clusterId}, created by this node: it can't join another`,
      context: { clusterId },
      hint: 'Start without --join to go on with that cluster, or join with an empty directory.',
    })
  },

  missing(names: readonly string[]): StorageError {
    const more = names.length > FILES_SHOWN_MAX ? ` and ${names.length - FILES_SHOWN_MAX} more` : ''
    const shown = `${names.slice(0, FILES_SHOWN_MAX).join(', ')}${more}`
    return storageError('fileMissing', {
      message: `the data directory has no file identity, but is not empty: it holds ${shown}`,
      context: { path: 'identity' },
      hint:
        'If this is the wrong directory, choose an empty one with --data-dir. If the file was lost, restore it from ' +
        'a copy; a new identity over old data could vote twice, so none is made.',
    })
  },
} as const
