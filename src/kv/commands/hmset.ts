/** HMSET key field value [field value …] */
import type { KvCommandSpec } from '../command-spec.ts'
import { setFields } from '../hashes.ts'
import { OK } from '../reply.ts'

export const hmsetCommand: KvCommandSpec = {
  info: {
    name: 'hmset',
    arity: -4,
    flags: ['write', 'denyoom', 'fast'],
    keys: { first: 1, last: 1, step: 1 },
    categories: ['@hash'],
    docs: {
      summary: 'Sets fields. HSET says more.',
      since: '2.0.0',
      group: 'hash',
      complexity: 'O(N) in the number of fields',
    },
  },
  execute(transaction, args) {
    const reply = setFields(transaction, args)
    return typeof reply === 'number' ? OK : reply
  },
}
