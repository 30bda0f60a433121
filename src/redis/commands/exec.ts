/** EXEC: executes all that was queued as one entry of the log, or nothing of it. */
import { describeCommand, type RedisCommandSpec } from '../redis-command-spec.ts'

export const EXEC: RedisCommandSpec = {
  info: describeCommand({
    name: 'exec',
    arity: 1,
    flags: ['noscript', 'loading', 'stale', 'skip_slowlog'],
    categories: ['@transaction'],
    summary: 'Executes the queued commands at once, unless a watched key was changed.',
    since: '1.2.0',
    group: 'transactions',
    complexity: 'That of the commands.',
  }),
  run: 'exec',
}
