/** TYPE key */

import type { ByteString } from '../../base/bytes.ts'
import type { KvCommandSpec } from '../command-spec.ts'
import { typeName } from '../generic.ts'
import { status } from '../reply.ts'

export const typeCommand: KvCommandSpec = {
  info: {
    name: 'type',
    arity: 2,
    flags: ['readonly', 'fast'],
    keys: { first: 1, last: 1, step: 1 },
    categories: ['@keyspace'],
    docs: {
      summary: 'Answers what kind of value a key holds.',
      since: '1.0.0',
      group: 'generic',
      complexity: 'O(1)',
    },
  },
  execute(transaction, args) {
    const entry = transaction.open(args[1] as ByteString)
    if (entry === undefined) return undefined
    return status(entry.live === null ? 'none' : typeName(entry.live))
  },
}
