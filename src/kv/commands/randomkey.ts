/** RANDOMKEY */
import type { KvCommandSpec } from '../command-spec.ts'
import { randomKey } from '../scan.ts'

export const randomkeyCommand: KvCommandSpec = {
  info: {
    name: 'randomkey',
    arity: 1,
    flags: ['readonly'],
    keys: null,
    categories: ['@keyspace'],
    docs: {
      summary: 'Answers some key. Not evenly: a key behind a gap is likelier.',
      since: '1.0.0',
      group: 'generic',
      complexity: 'O(1)',
    },
  },
  execute(transaction) {
    return randomKey(transaction)
  },
}
