/** MSETNX key value [key value …] */
import type { KvCommandSpec } from '../command-spec.ts'
import { setMany } from '../strings.ts'

export const msetnxCommand: KvCommandSpec = {
  info: {
    name: 'msetnx',
    arity: -3,
    flags: ['write', 'denyoom'],
    keys: { first: 1, last: -1, step: 2 },
    categories: ['@string'],
    docs: {
      summary: 'Sets several keys at once, but none if any of them exists.',
      since: '1.0.1',
      group: 'string',
      complexity: 'O(N) in the number of keys',
    },
  },
  execute(transaction, args) {
    return setMany(transaction, args, (entries) => entries.every((entry) => entry.live === null))
  },
}
