/** WATCH key [key …]: the next EXEC executes nothing if one of them was changed since. */
import { describeCommand, type RedisCommandSpec } from '../redis-command-spec.ts'

export const WATCH: RedisCommandSpec = {
  info: {
    ...describeCommand({
      name: 'watch',
      arity: -2,
      flags: ['noscript', 'loading', 'stale', 'fast', 'allow_busy'],
      categories: ['@transaction'],
      summary: 'Lets the next EXEC execute nothing if one of the keys is changed before it.',
      since: '2.2.0',
      group: 'transactions',
      complexity: 'O(1) for every key; one entry of the log if a key does not exist',
    }),
    keys: { first: 1, last: -1, step: 1 },
  },
  run: 'watch',
}
