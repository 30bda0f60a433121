/** SELECT 0: there is one database. */
import { checkDatabase } from '../../kv/databases.ts'
import { OK } from '../../kv/reply.ts'
import { describeCommand, type RedisCommandSpec } from '../redis-command-spec.ts'

export const SELECT: RedisCommandSpec = {
  info: describeCommand({
    name: 'select',
    arity: 2,
    flags: ['loading', 'stale', 'fast'],
    summary: 'Selects the database; there is only database 0.',
    since: '1.0.0',
  }),
  run: (_session, args) => checkDatabase(args[1] as string) ?? OK,
}
