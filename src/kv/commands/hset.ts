/** HSET key field value [field value …] */
import type { KvCommandSpec } from '../command-spec.ts'
import { setFields } from '../hashes.ts'

export const hsetCommand: KvCommandSpec = {
  info: {
    name: 'hset',
    arity: -4,
    flags: ['write', 'denyoom', 'fast'],
    keys: { first: 1, last: 1, step: 1 },
    categories: ['@hash'],
    docs: {
      summary: 'Sets fields; answers how many are new.',
      since: '2.0.0',
      group: 'hash',
      complexity: 'O(N) in the number of fields',
    },
  },
  execute(transaction, args) {
    return setFields(transaction, args)
  },
}
