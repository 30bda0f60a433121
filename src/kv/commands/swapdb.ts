/** SWAPDB index1 index2: there is one database to swap with itself */
import type { ByteString } from '../../base/bytes.ts'
import type { KvCommandSpec } from '../command-spec.ts'
import { checkDatabase, NO_SUCH_DATABASE } from '../databases.ts'
import { error, OK } from '../reply.ts'

const BAD_FIRST = error('ERR invalid first DB index')
const BAD_SECOND = error('ERR invalid second DB index')

export const swapdbCommand: KvCommandSpec = {
  info: {
    name: 'swapdb',
    arity: 3,
    flags: ['write', 'fast'],
    keys: null,
    categories: ['@keyspace', '@dangerous'],
    docs: {
      summary: 'Does nothing: there is only database 0.',
      since: '4.0.0',
      group: 'server',
      complexity: 'O(1)',
    },
  },
  execute(_transaction, args) {
    const [first, second] = [checkDatabase(args[1] as ByteString), checkDatabase(args[2] as ByteString)]
    if (first !== null && first !== NO_SUCH_DATABASE) return BAD_FIRST
    if (second !== null && second !== NO_SUCH_DATABASE) return BAD_SECOND
    return first ?? second ?? OK
  },
}
