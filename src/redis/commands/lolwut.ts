/** LOLWUT: which Redis this compares itself with, and what it is. */
import type { Reply } from '../../kv/reply.ts'
import { describeCommand, type RedisCommandSpec } from '../redis-command-spec.ts'
import { REDIS_VERSION } from '../server-facts.ts'

export const LOLWUT: RedisCommandSpec = {
  info: describeCommand({
    name: 'lolwut',
    arity: -1,
    flags: ['readonly', 'fast'],
    categories: [],
    since: '5.0.0',
    summary: 'Answers the version.',
    group: 'server',
  }),
  run: (_session, _args, server) => {
    const text = `Redis ver. ${REDIS_VERSION} (Holdfast ${server.identity.holdfastVersion})\n`
    return { kind: 'verbatim', format: 'txt', text } satisfies Reply
  },
}
