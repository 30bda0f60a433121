/** SELECT 0: there is one database. */
import { NOT_AN_INTEGER } from '../../kv/errors.ts'
import { parseInteger } from '../../kv/integers.ts'
import { error, OK } from '../../kv/reply.ts'
import { describeCommand, type RedisCommandSpec } from '../redis-command-spec.ts'

const OUT_OF_RANGE = error('ERR DB index is out of range')
const INT32_MIN = -2_147_483_648
const INT32_MAX = 2_147_483_647
const NOT_AN_INT32 = error(`ERR value is out of range, value must between ${INT32_MIN} and ${INT32_MAX}`)

export const SELECT: RedisCommandSpec = {
  info: describeCommand({
    name: 'select',
    arity: 2,
    flags: ['loading', 'stale', 'fast'],
    summary: 'Selects the database; there is only database 0.',
    since: '1.0.0',
  }),
  run: (_session, args) => {
    const index = parseInteger(args[1] as string)
    if (index === null) return NOT_AN_INTEGER
    if (index > INT32_MAX || index < INT32_MIN) return NOT_AN_INT32
    return index === 0 ? OK : OUT_OF_RANGE
  },
}
