/** MEMORY: how much a key takes on disk, and how much memory the process has. */
import { wrongArity } from '../../kv/errors.ts'
import type { Reply } from '../../kv/reply.ts'
import { machineSubcommand } from '../machine-subcommand.ts'
import { describeCommand, helpReply, type RedisCommandSpec } from '../redis-command-spec.ts'
import type { ServerFacts } from '../server-facts.ts'

const MEMORY_STATS: RedisCommandSpec = {
  info: describeCommand({
    name: 'memory|stats',
    arity: 2,
    flags: [],
    categories: [],
    since: '4.0.0',
    summary: 'Answers the memory of the process and the number of keys.',
    group: 'server',
  }),
  run: (_session, _args, server) => ({ kind: 'map', entries: memoryStats(server) }),
}

/** Those of Redis' figures that mean something here: values lie on disk, not in memory. */
function memoryStats(server: ServerFacts): readonly (readonly [string, Reply])[] {
  const usedBytes = server.usedMemoryBytes()
  const keyspace = server.keyspace()
  return [
    ['peak.allocated', server.peakMemoryBytes()],
    ['total.allocated', usedBytes],
    ['keys.count', keyspace?.keys ?? 0],
  ]
}

const MEMORY_HELP: RedisCommandSpec = {
  info: describeCommand({
    name: 'memory|help',
    arity: 2,
    flags: ['loading', 'stale'],
    categories: [],
    since: '4.0.0',
    summary: 'Lists the subcommands.',
    group: 'server',
  }),
  run: () =>
    helpReply('MEMORY', [
      ['STATS', 'Return the memory of the process.'],
      ['USAGE <key> [SAMPLES <count>]', 'Return the bytes that the records of a key take.'],
    ]),
}

export const MEMORY: RedisCommandSpec = {
  info: describeCommand({
    name: 'memory',
    arity: -2,
    flags: [],
    categories: [],
    since: '4.0.0',
    summary: 'A container for commands about memory.',
    group: 'server',
    complexity: 'Depends on the subcommand.',
  }),
  run: () => wrongArity('memory'),
  subcommands: [MEMORY_HELP, MEMORY_STATS, machineSubcommand('memory|usage')],
}
