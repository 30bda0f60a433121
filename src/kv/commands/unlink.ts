/** UNLINK key [key …] */
import type { KvCommandSpec } from '../command-spec.ts'
import { deleteKeys } from '../generic.ts'

export const unlinkCommand: KvCommandSpec = {
  info: {
    name: 'unlink',
    arity: -2,
    flags: ['write', 'fast'],
    keys: { first: 1, last: -1, step: 1 },
    categories: ['@keyspace'],
    docs: {
      summary: 'Deletes keys; answers how many there were. The same as DEL here.',
      since: '4.0.0',
      group: 'generic',
      complexity: 'O(N) in the number of keys',
    },
  },
  execute(transaction, args) {
    return deleteKeys(transaction, args)
  },
}
