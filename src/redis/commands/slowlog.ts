/** SLOWLOG: the commands that took longest lately, as their clients saw it. */
import type { ByteString } from '../../base/bytes.ts'
import { wrongArity } from '../../kv/errors.ts'
import { parseInteger } from '../../kv/integers.ts'
import { error, OK, type Reply } from '../../kv/reply.ts'
import type { SlowCommand } from '../command-statistics.ts'
import {
  describeCommand,
  helpReply,
  type RedisCommandSpec,
  serverSubcommands,
} from '../redis-command-spec.ts'

const COUNT_DEFAULT = 10
const BAD_COUNT = error('ERR count should be greater than or equal to -1')
const BAD_USE = error("ERR unknown subcommand or wrong number of arguments for 'get'. Try SLOWLOG HELP.")

const subcommand = serverSubcommands({ name: 'slowlog', flags: ['admin', 'loading', 'stale'] })

function entryReply(slow: SlowCommand): Reply {
  return [
    slow.id,
    Math.floor(slow.wallMs / 1000),
    Math.round(slow.durationMs * 1000),
    slow.args,
    slow.clientAddress,
    slow.clientName,
  ]
}

function readCount(text: ByteString): number | null {
  const count = parseInteger(text)
  return count === null || count < -1 ? null : Number(count)
}

export const SLOWLOG: RedisCommandSpec = {
  info: describeCommand({
    name: 'slowlog',
    arity: -2,
    flags: [],
    categories: [],
    since: '2.2.12',
    summary: 'A container for commands about slow commands.',
    group: 'server',
    complexity: 'Depends on the subcommand.',
  }),
  run: () => wrongArity('slowlog'),
  subcommands: [
    subcommand(
      'get',
      -2,
      '2.2.12',
      'Answers the newest slow commands.',
      (_session, args, server) => {
        if (args.length > 3) return BAD_USE
        const count = args[2] === undefined ? COUNT_DEFAULT : readCount(args[2])
        if (count === null) return BAD_COUNT
        const { slow } = server.statistics
        return (count === -1 ? slow : slow.slice(0, count)).map(entryReply)
      },
      'O(N) where N is the number of entries',
    ),
    subcommand('help', 2, '6.2.0', 'Lists the subcommands.', () =>
      helpReply('SLOWLOG', [
        ['GET [<count>]', 'Return the newest slow commands (10; -1: all).'],
        ['LEN', 'Return how many are kept.'],
        ['RESET', 'Forget them.'],
      ]),
    ),
    subcommand('len', 2, '2.2.12', 'Answers how many slow commands are kept.', (_session, _args, server) => {
      return server.statistics.slow.length
    }),
    subcommand('reset', 2, '2.2.12', 'Forgets the slow commands.', (_session, _args, server) => {
      server.statistics.resetSlow()
      return OK
    }),
  ],
}
