/** LATENCY: Redis' monitor of events, none of which happen here; SLOWLOG and the metrics say what is slow. */
import { wrongArity } from '../../kv/errors.ts'
import { EMPTY_ARRAY, error, type Reply } from '../../kv/reply.ts'
import {
  describeCommand,
  helpReply,
  type RedisCommandSpec,
  serverSubcommands,
} from '../redis-command-spec.ts'

const DOCTOR: Reply = {
  kind: 'verbatim',
  format: 'txt',
  text: 'Events such as forks and expiry cycles do not exist here. See SLOWLOG GET and INFO commandstats.\n',
}

const subcommand = serverSubcommands({ name: 'latency', flags: ['admin', 'noscript', 'loading', 'stale'] })

export const LATENCY: RedisCommandSpec = {
  info: describeCommand({
    name: 'latency',
    arity: -2,
    flags: [],
    categories: [],
    since: '2.8.13',
    summary: 'A container for commands about latency.',
    group: 'server',
    complexity: 'Depends on the subcommand.',
  }),
  run: () => wrongArity('latency'),
  subcommands: [
    subcommand('doctor', 2, '2.8.13', 'Says where to look instead.', () => DOCTOR),
    subcommand('graph', 3, '2.8.13', 'Refused: there are no samples.', (_session, args) =>
      error(`ERR No samples available for event '${args[2]}'`),
    ),
    subcommand('help', 2, '2.8.13', 'Lists the subcommands.', () =>
      helpReply('LATENCY', [
        ['DOCTOR', 'Say where to look instead.'],
        ['GRAPH <event>', 'Refused: there are no samples.'],
        ['HISTOGRAM [COMMAND ...]', 'Return nothing: no histograms are kept.'],
        ['HISTORY <event>', 'Return nothing: there are no samples.'],
        ['LATEST', 'Return nothing: there are no samples.'],
        ['RESET [<event> ...]', 'Return 0: there is nothing to reset.'],
      ]),
    ),
    subcommand('histogram', -2, '7.0.0', 'Answers nothing: no histograms are kept.', () => ({
      kind: 'map',
      entries: [],
    })),
    subcommand('history', 3, '2.8.13', 'Answers nothing: there are no samples.', () => EMPTY_ARRAY),
    subcommand('latest', 2, '2.8.13', 'Answers nothing: there are no samples.', () => EMPTY_ARRAY),
    subcommand('reset', -2, '2.8.13', 'Answers 0: there is nothing to reset.', () => 0),
  ],
}
