/** MULTI: what follows is queued until EXEC. */
import { error, OK } from '../../kv/reply.ts'
import { describeCommand, type RedisCommandSpec } from '../redis-command-spec.ts'

const NESTED = error('ERR MULTI calls can not be nested')

export const MULTI: RedisCommandSpec = {
  info: describeCommand({
    name: 'multi',
    arity: 1,
    flags: ['noscript', 'loading', 'stale', 'fast', 'allow_busy'],
    categories: ['@transaction'],
    summary: 'Begins a transaction: commands are queued until EXEC.',
    since: '1.2.0',
    group: 'transactions',
  }),
  run: (session) => {
    if (session.transaction.isOpen) return NESTED
    session.transaction.begin()
    return OK
  },
}
