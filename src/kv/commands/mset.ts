/** MSET key value [key value …] */
import type { KvCommandSpec } from '../command-spec.ts'
import { OK } from '../reply.ts'
import { setMany } from '../strings.ts'

export const msetCommand: KvCommandSpec = {
  info: {
    name: 'mset',
    arity: -3,
    flags: ['write', 'denyoom'],
    keys: { first: 1, last: -1, step: 2 },
    categories: ['@string'],
    docs: {
      summary: 'Sets several keys at once, all or none.',
      since: '1.0.1',
      group: 'string',
      complexity: 'O(N) in the number of keys',
    },
  },
  execute(transaction, args) {
    const reply = setMany(transaction, args, () => true)
    return typeof reply === 'number' ? OK : reply
  },
}
