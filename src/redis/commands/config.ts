/** CONFIG: reads and changes the parameters in `redis-configuration.ts`. */
import type { ByteString } from '../../base/bytes.ts'
import type { CommandFlag } from '../../kv/command-info.ts'
import { SYNTAX_ERROR, wrongArity } from '../../kv/errors.ts'
import { matchesGlob } from '../../kv/glob.ts'
import { error, OK, type Reply } from '../../kv/reply.ts'
import { lowerCase } from '../lower-case.ts'
import { describeCommand, helpReply, type RedisCommandSpec } from '../redis-command-spec.ts'
import type { ServerFacts } from '../server-facts.ts'

const ADMIN_FLAGS: readonly CommandFlag[] = ['admin', 'noscript', 'loading', 'stale']
const NO_CONFIG_FILE = error('ERR The server is running without a config file')

const CONFIG_GET: RedisCommandSpec = {
  info: describeCommand({
    name: 'config|get',
    arity: -3,
    flags: ADMIN_FLAGS,
    categories: [],
    since: '2.0.0',
    summary: 'Answers the parameters whose names match a pattern.',
    group: 'server',
    complexity: 'O(N) where N is the number of parameters',
  }),
  run: (_session, args, server) => {
    const shown = new Map<string, readonly [name: ByteString, value: ByteString]>()
    for (const pattern of args.slice(2)) {
      for (const entry of matching(pattern, server)) {
        const name = lowerCase(entry[0])
        if (!shown.has(name)) shown.set(name, entry)
      }
    }
    return { kind: 'map', entries: [...shown.values()] } satisfies Reply
  },
}

// A plain name is answered as it was asked for, whatever its case; a pattern with the real names.
function matching(pattern: ByteString, server: ServerFacts): (readonly [ByteString, ByteString])[] {
  const { configuration } = server
  const lowerPattern = lowerCase(pattern)
  if (!/[*?[]/.test(pattern)) {
    const value = configuration.get(lowerPattern)
    return value === null ? [] : [[pattern, value]]
  }
  const names = configuration.names.filter((name) => matchesGlob(lowerPattern, name))
  return names.map((name) => [name, configuration.get(name) as ByteString])
}

const CONFIG_SET: RedisCommandSpec = {
  info: describeCommand({
    name: 'config|set',
    arity: -4,
    flags: ADMIN_FLAGS,
    categories: [],
    since: '2.0.0',
    summary: 'Changes parameters until the process ends: all that are given, or none.',
    group: 'server',
    complexity: 'O(N) where N is the number of parameters given',
  }),
  run: (_session, args, server) => {
    if (args.length % 2 !== 0) return SYNTAX_ERROR
    const changes: [string, ByteString][] = []
    for (let index = 2; index < args.length; index += 2) {
      changes.push([args[index] as ByteString, args[index + 1] as ByteString])
    }
    const fault = server.configuration.set(changes)
    if (fault === null) return OK
    if (fault.kind === 'unknown') {
      return error(`ERR Unknown option or number of arguments for CONFIG SET - '${fault.name}'`)
    }
    return error(`ERR CONFIG SET failed (possibly related to argument '${fault.name}') - ${fault.reason}`)
  },
}

const CONFIG_RESETSTAT: RedisCommandSpec = {
  info: describeCommand({
    name: 'config|resetstat',
    arity: 2,
    flags: ADMIN_FLAGS,
    categories: [],
    since: '2.0.0',
    summary: "Sets the counters of INFO's Stats section to zero.",
    group: 'server',
  }),
  run: (_session, _args, server) => {
    const { counters } = server
    counters.connectionsReceived = 0
    counters.connectionsRejected = 0
    counters.commandsProcessed = 0
    counters.errorReplies = 0
    counters.inputBytes = 0
    counters.outputBytes = 0
    server.statistics.resetCounts()
    return OK
  },
}

const CONFIG_REWRITE: RedisCommandSpec = {
  info: describeCommand({
    name: 'config|rewrite',
    arity: 2,
    flags: ADMIN_FLAGS,
    categories: [],
    since: '2.8.0',
    summary: 'Refused: changes are not written to a file.',
    group: 'server',
  }),
  run: () => NO_CONFIG_FILE,
}

const CONFIG_HELP: RedisCommandSpec = {
  info: describeCommand({
    name: 'config|help',
    arity: 2,
    flags: ['loading', 'stale'],
    categories: [],
    since: '5.0.0',
    summary: 'Lists the subcommands.',
    group: 'server',
  }),
  run: () =>
    helpReply('CONFIG', [
      ['GET <pattern> [<pattern> ...]', 'Return the parameters whose names match.'],
      ['SET <name> <value> [<name> <value> ...]', 'Change parameters until the process ends.'],
      ['RESETSTAT', 'Reset the counters of INFO.'],
      ['REWRITE', 'Refused: there is no configuration file to write.'],
    ]),
}

export const CONFIG: RedisCommandSpec = {
  info: describeCommand({
    name: 'config',
    arity: -2,
    flags: [],
    categories: [],
    since: '2.0.0',
    summary: 'A container for commands about the configuration.',
    group: 'server',
    complexity: 'Depends on the subcommand.',
  }),
  run: () => wrongArity('config'),
  subcommands: [CONFIG_GET, CONFIG_HELP, CONFIG_RESETSTAT, CONFIG_REWRITE, CONFIG_SET],
}
