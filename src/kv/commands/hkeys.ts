/** HKEYS key */

import type { ByteString } from '../../base/bytes.ts'
import type { KvCommandSpec } from '../command-spec.ts'
import { answerMembers } from '../hashes.ts'

export const hkeysCommand: KvCommandSpec = {
  info: {
    name: 'hkeys',
    arity: 2,
    flags: ['readonly'],
    keys: { first: 1, last: 1, step: 1 },
    categories: ['@hash'],
    docs: {
      summary: 'Answers all fields of a hash.',
      since: '2.0.0',
      group: 'hash',
      complexity: 'O(N) in the size of the hash',
    },
  },
  execute(transaction, args) {
    return answerMembers(
      transaction,
      args[1] as ByteString,
      ([field]) => field,
      (fields) => fields,
    )
  },
}
