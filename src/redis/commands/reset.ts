/** RESET: the connection as it was when it was opened. */
import { status } from '../../kv/reply.ts'
import { describeCommand, type RedisCommandSpec } from '../redis-command-spec.ts'
import { DEFAULT_USER } from '../redis-session.ts'

const RESET_DONE = status('RESET')

export const RESET: RedisCommandSpec = {
  info: describeCommand({
    name: 'reset',
    arity: 1,
    flags: ['noscript', 'loading', 'stale', 'fast', 'no_auth', 'allow_busy'],
    summary: 'Puts the connection back into its first state; a password must be given again.',
    since: '6.2.0',
  }),
  run: (session, _args, server) => {
    session.transaction.take()
    session.transaction.unwatch()
    session.replies = 'on'
    session.protocol = 2
    session.name = ''
    session.user = DEFAULT_USER
    session.isAuthenticated = server.configuration.password === ''
    return RESET_DONE
  },
}
