/** UNWATCH: forgets all watched keys. Inside a transaction it comes too late to matter. */
import { OK } from '../../kv/reply.ts'
import { describeCommand, type RedisCommandSpec } from '../redis-command-spec.ts'

export const UNWATCH: RedisCommandSpec = {
  info: describeCommand({
    name: 'unwatch',
    arity: 1,
    flags: ['noscript', 'loading', 'stale', 'fast', 'allow_busy'],
    categories: ['@transaction'],
    summary: 'Forgets the keys that the connection watches.',
    since: '2.2.0',
    group: 'transactions',
  }),
  run: (session) => {
    session.transaction.unwatch()
    return OK
  },
}
