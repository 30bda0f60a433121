/** COPY source destination [DB 0] [REPLACE] */
import type { ByteString } from '../../base/bytes.ts'
import type { KvCommandSpec } from '../command-spec.ts'
import { checkDatabase } from '../databases.ts'
import { SYNTAX_ERROR } from '../errors.ts'
import { copyKey } from '../rename.ts'
import { type ErrorReply, error } from '../reply.ts'

const SAME_KEY = error('ERR source and destination objects are the same')

export const copyCommand: KvCommandSpec = {
  info: {
    name: 'copy',
    arity: -3,
    flags: ['write', 'denyoom'],
    keys: { first: 1, last: 2, step: 1 },
    categories: ['@keyspace'],
    docs: {
      summary: 'Copies a value with its expiry to another key.',
      since: '6.2.0',
      group: 'generic',
      complexity: 'O(N) in the fields of a hash; O(1) for a string',
    },
  },
  execute(transaction, args) {
    const mayReplace = readOptions(args)
    if (typeof mayReplace !== 'boolean') return mayReplace
    const [from, to] = [args[1] as ByteString, args[2] as ByteString]
    if (from === to) return SAME_KEY
    const copied = copyKey(transaction, from, to, mayReplace)
    return typeof copied === 'boolean' ? Number(copied) : copied
  },
}

/** Whether REPLACE is among them. */
function readOptions(args: readonly ByteString[]): boolean | ErrorReply {
  let mayReplace = false
  for (let index = 3; index < args.length; index++) {
    const option = (args[index] as ByteString).toLowerCase()
    if (option === 'replace') {
      mayReplace = true
    } else if (option === 'db' && index + 1 < args.length) {
      const fault = checkDatabase(args[++index] as ByteString)
      if (fault !== null) return fault
    } else {
      return SYNTAX_ERROR
    }
  }
  return mayReplace
}
