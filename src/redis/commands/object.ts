/** OBJECT: what is known about a value besides its content. */
import { wrongArity } from '../../kv/errors.ts'
import { machineSubcommand } from '../machine-subcommand.ts'
import { describeCommand, helpReply, type RedisCommandSpec } from '../redis-command-spec.ts'

const OBJECT_HELP: RedisCommandSpec = {
  info: describeCommand({
    name: 'object|help',
    arity: 2,
    flags: ['loading', 'stale'],
    categories: ['@keyspace'],
    since: '6.2.0',
    summary: 'Lists the subcommands.',
    group: 'generic',
  }),
  run: () =>
    helpReply('OBJECT', [
      ['ENCODING <key>', 'Return what Redis calls the encoding of such a value.'],
      ['FREQ <key>', 'Refused: how often keys are used is not counted.'],
      ['IDLETIME <key>', 'Return 0: when keys are used is not recorded.'],
      ['REFCOUNT <key>', 'Return 1: values are not shared.'],
    ]),
}

export const OBJECT: RedisCommandSpec = {
  info: describeCommand({
    name: 'object',
    arity: -2,
    flags: [],
    categories: [],
    since: '2.2.3',
    summary: 'A container for commands about values.',
    group: 'generic',
    complexity: 'Depends on the subcommand.',
  }),
  run: () => wrongArity('object'),
  subcommands: [
    machineSubcommand('object|encoding'),
    machineSubcommand('object|freq'),
    OBJECT_HELP,
    machineSubcommand('object|idletime'),
    machineSubcommand('object|refcount'),
  ],
}
