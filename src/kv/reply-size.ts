/** Roughly the bytes of a reply on its way and where it is kept. */
import type { Reply } from './reply.ts'

const ELEMENT_BYTES = 8

export function replyBytes(reply: Reply): number {
  if (typeof reply === 'string') return ELEMENT_BYTES + reply.length
  if (reply === null || typeof reply !== 'object') return ELEMENT_BYTES
  if (!('kind' in reply)) return sum(reply)
  switch (reply.kind) {
    case 'map':
    case 'pairs':
      return sum(reply.entries.flat())
    case 'set':
      return sum(reply.members)
    case 'status':
    case 'error':
    case 'double':
    case 'verbatim':
      return ELEMENT_BYTES + reply.text.length
    default:
      return ELEMENT_BYTES
  }
}

function sum(replies: readonly Reply[]): number {
  return replies.reduce<number>((bytes, reply) => bytes + replyBytes(reply), ELEMENT_BYTES)
}
