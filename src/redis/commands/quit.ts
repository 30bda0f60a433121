/** QUIT: answers OK behind all earlier replies, then closes. */
import { OK } from '../../kv/reply.ts'
import { describeCommand, type RedisCommandSpec } from '../redis-command-spec.ts'

export const QUIT: RedisCommandSpec = {
  info: describeCommand({
    name: 'quit',
    arity: -1,
    flags: ['noscript', 'loading', 'stale', 'fast', 'no_auth', 'allow_busy'],
    summary: 'Closes the connection.',
    since: '1.0.0',
  }),
  run: (session) => {
    session.closesAfterReply = true
    return OK
  },
}
