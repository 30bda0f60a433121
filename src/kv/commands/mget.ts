/** MGET key [key …] */
import type { KvCommandSpec } from '../command-spec.ts'
import type { Reply } from '../reply.ts'
import { stringOf } from '../strings.ts'

export const mgetCommand: KvCommandSpec = {
  info: {
    name: 'mget',
    arity: -2,
    flags: ['readonly', 'fast'],
    keys: { first: 1, last: -1, step: 1 },
    categories: ['@string'],
    docs: {
      summary: 'Answers the values of several string keys at once.',
      since: '1.0.0',
      group: 'string',
      complexity: 'O(N) in the number of keys',
    },
  },
  execute(transaction, args) {
    const entries = transaction.openAll(args.slice(1))
    if (entries === undefined) return undefined
    const values: Reply[] = []
    for (const entry of entries) {
      const value = stringOf(entry)
      values.push(typeof value === 'string' ? value : null)
    }
    return values
  },
}
