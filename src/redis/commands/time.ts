/** TIME: this server's clock, as seconds and microseconds. */
import { describeCommand, type RedisCommandSpec } from '../redis-command-spec.ts'

export const TIME: RedisCommandSpec = {
  info: describeCommand({
    name: 'time',
    arity: 1,
    flags: ['loading', 'stale', 'fast'],
    categories: [],
    summary: 'Answers the time of the server that the client is connected to.',
    since: '2.6.0',
    group: 'server',
  }),
  run: (_session, _args, server) => {
    const wallMs = server.wallMs()
    return [String(Math.floor(wallMs / 1000)), String((wallMs % 1000) * 1000)]
  },
}
