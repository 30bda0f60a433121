/** What an answer of the store says about whether something happened. */
import type { ClientReply } from '../cluster/redis-client.ts'

/** Errors that promise that nothing happened; anything else that is not known here is a finding. */
const REFUSALS = /^(CLUSTERDOWN|TRYAGAIN|LOADING|MISCONF|ERR max number of clients)/
const UNKNOWN = /^ERR 8004 /

export function isRefusal(reply: ClientReply): boolean {
  return reply.kind === 'error' && REFUSALS.test(reply.text)
}

export function isUnknown(reply: ClientReply): boolean {
  return reply.kind === 'lost' || (reply.kind === 'error' && UNKNOWN.test(reply.text))
}
