/** DISCARD: forgets the queued commands and the watched keys. */
import { error, OK } from '../../kv/reply.ts'
import { describeCommand, type RedisCommandSpec } from '../redis-command-spec.ts'

const NOT_OPEN = error('ERR DISCARD without MULTI')

export const DISCARD: RedisCommandSpec = {
  info: describeCommand({
    name: 'discard',
    arity: 1,
    flags: ['noscript', 'loading', 'stale', 'fast', 'allow_busy'],
    categories: ['@transaction'],
    summary: 'Ends a transaction without executing anything of it.',
    since: '2.0.0',
    group: 'transactions',
    complexity: 'O(N) where N is the number of queued commands',
  }),
  run: (session) => (session.transaction.take() === null ? NOT_OPEN : OK),
}
