/** MOVE key db: there is one database, so it never moves anything */
import type { ByteString } from '../../base/bytes.ts'
import type { KvCommandSpec } from '../command-spec.ts'
import { checkDatabase } from '../databases.ts'
import { error } from '../reply.ts'

const SAME_DATABASE = error('ERR source and destination objects are the same')

export const moveCommand: KvCommandSpec = {
  info: {
    name: 'move',
    arity: 3,
    flags: ['write', 'fast'],
    keys: { first: 1, last: 1, step: 1 },
    categories: ['@keyspace'],
    docs: {
      summary: 'Refused: there is only database 0.',
      since: '1.0.0',
      group: 'generic',
      complexity: 'O(1)',
    },
  },
  execute(_transaction, args) {
    return checkDatabase(args[2] as ByteString) ?? SAME_DATABASE
  },
}
