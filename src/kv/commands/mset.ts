/** MSET key value [key value …] */

import type { ByteString } from '../../base/bytes.ts'
import type { KvCommandSpec } from '../command-spec.ts'
import { STRING_TOO_LONG, wrongArity } from '../errors.ts'
import { makeStringRecord, NO_EXPIRY } from '../record.ts'
import { OK } from '../reply.ts'
import { isTooLong } from '../strings.ts'

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
    if (args.length % 2 === 0) return wrongArity('mset')
    const keys: ByteString[] = []
    for (let index = 1; index < args.length; index += 2) {
      if (isTooLong(transaction, (args[index + 1] as ByteString).length)) return STRING_TOO_LONG
      keys.push(args[index] as ByteString)
    }
    const entries = transaction.openAll(keys)
    if (entries === undefined) return undefined
    entries.forEach((entry, index) => {
      transaction.putRecord(entry, makeStringRecord(args[2 * index + 2] as ByteString, NO_EXPIRY))
    })
    return OK
  },
}
