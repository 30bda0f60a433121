/** ECHO message. */
import { describeCommand, type RedisCommandSpec } from '../redis-command-spec.ts'

export const ECHO: RedisCommandSpec = {
  info: describeCommand({
    name: 'echo',
    arity: 2,
    flags: ['loading', 'stale', 'fast'],
    summary: 'Answers the message.',
    since: '1.0.0',
  }),
  run: (_session, args) => args[1] as string,
}
