/** How a Redis client is told that its command found no replica to carry it out. */
import { redisErrorLine } from '../../base/error-edges.ts'
import { type StorageError, storageError, toStorageError } from '../../base/errors.ts'
import { unreachable } from '../../base/unreachable.ts'
import { type ErrorReply, error } from '../../kv/reply.ts'
import type { OperationFailure } from '../routing/operation.ts'

export function failureReply(failure: OperationFailure): ErrorReply {
  return error(redisErrorLine(failureError(failure)))
}

function failureError(failure: OperationFailure): StorageError {
  switch (failure.kind) {
    case 'noLeader':
      return storageError('noLeader', {})
    case 'unknown':
      return storageError('outcomeUnknown', {})
    case 'overloaded':
      return storageError('overloaded', {})
    case 'unhealthy':
      return storageError('storageNeedsOperator', { message: failure.reason })
    case 'storage':
      return toStorageError(failure.error)
    case 'replyTooLarge':
      return storageError('valueTooLarge', {
        message: 'the reply is larger than what nodes send each other in one message',
        hint: 'Read it in parts (HSCAN, GETRANGE, MGET with fewer keys), or ask the leader directly.',
      })
    case 'stopping':
      return storageError('nodeDraining', {})
    default:
      return unreachable(failure)
  }
}
