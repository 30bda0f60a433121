/** PING [message]. */
import { wrongArity } from '../../kv/errors.ts'
import { status } from '../../kv/reply.ts'
import { describeCommand, type RedisCommandSpec } from '../redis-command-spec.ts'

const PONG = status('PONG')

export const PING: RedisCommandSpec = {
  info: describeCommand({
    name: 'ping',
    arity: -1,
    flags: ['fast'],
    summary: 'Answers PONG, or the message.',
    since: '1.0.0',
  }),
  run: (_session, args) => (args.length > 2 ? wrongArity('ping') : (args[1] ?? PONG)),
}
