/** OBJECT ENCODING key: what Redis would call the way in which such a value is kept */
import type { ByteString } from '../../base/bytes.ts'
import type { KvCommandSpec } from '../command-spec.ts'
import { encodingOf } from '../object-encoding.ts'

export const objectEncodingCommand: KvCommandSpec = {
  info: {
    name: 'object|encoding',
    arity: 3,
    flags: ['readonly'],
    keys: { first: 2, last: 2, step: 1 },
    categories: ['@keyspace'],
    docs: {
      summary: 'Answers what Redis calls the encoding of such a value.',
      since: '2.2.3',
      group: 'generic',
      complexity: 'O(1); O(N) for a hash of up to 128 fields',
    },
  },
  execute: (transaction, args) => encodingOf(transaction, args[2] as ByteString),
}
