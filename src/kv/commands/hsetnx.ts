/** HSETNX key field value */
import type { KvCommandSpec } from '../command-spec.ts'
import { setFieldIfAbsent } from '../hashes.ts'

export const hsetnxCommand: KvCommandSpec = {
  info: {
    name: 'hsetnx',
    arity: 4,
    flags: ['write', 'denyoom', 'fast'],
    keys: { first: 1, last: 1, step: 1 },
    categories: ['@hash'],
    docs: {
      summary: 'Sets a field unless the hash has it.',
      since: '2.0.0',
      group: 'hash',
      complexity: 'O(1)',
    },
  },
  execute(transaction, args) {
    return setFieldIfAbsent(transaction, args)
  },
}
