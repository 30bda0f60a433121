/** AUTH password | user password: answers OK, or why the connection stays where it was. */
import { SYNTAX_ERROR } from '../../kv/errors.ts'
import { error, OK } from '../../kv/reply.ts'
import { authenticate } from '../authentication.ts'
import { describeCommand, type RedisCommandSpec } from '../redis-command-spec.ts'
import { WRONG_PASSWORD } from '../redis-errors.ts'
import { DEFAULT_USER } from '../redis-session.ts'

const NO_PASSWORD_SET = error(
  'ERR AUTH <password> called without any password configured for the default user. ' +
    'Are you sure your configuration is correct?',
)

export const AUTH: RedisCommandSpec = {
  info: describeCommand({
    name: 'auth',
    arity: -2,
    flags: ['noscript', 'loading', 'stale', 'fast', 'no_auth', 'allow_busy'],
    summary: 'Authenticates the connection.',
    since: '1.0.0',
  }),
  run: (session, args, server) => {
    if (args.length > 3) return SYNTAX_ERROR
    if (args.length === 2 && server.configuration.password === '') return NO_PASSWORD_SET
    const [user, password] = args.length === 2 ? [DEFAULT_USER, args[1]] : [args[1], args[2]]
    return authenticate(session, server, user as string, password as string) ? OK : WRONG_PASSWORD
  },
}
