/** COMMAND: the server's commands, for clients that ask (redis-cli, cluster clients). */
import type { ByteString } from '../../base/bytes.ts'
import { arityFits, commandKeys } from '../../kv/command-keys.ts'
import { SYNTAX_ERROR } from '../../kv/errors.ts'
import { matchesGlob } from '../../kv/glob.ts'
import { error, type Reply } from '../../kv/reply.ts'
import type { CatalogEntry, CommandCatalog } from '../command-catalog.ts'
import { lowerCase } from '../lower-case.ts'
import {
  describeCommand,
  helpReply,
  type RedisCommandHandler,
  type RedisCommandSpec,
} from '../redis-command-spec.ts'
import { categoriesOf, docsReply, infoReply, keyAccess } from './command-replies.ts'

const NO_SUCH_COMMAND = error('ERR Invalid command specified')
const NO_KEYS = error('ERR The command has no key arguments')
const BAD_ARITY = error('ERR Invalid number of arguments specified for command')

function subcommand(
  name: string,
  arity: number,
  since: string,
  summary: string,
  run: RedisCommandHandler,
): RedisCommandSpec {
  const flags = ['loading', 'stale'] as const
  const complexity = 'O(N) where N is the number of commands'
  return {
    info: describeCommand({
      name: `command|${name}`,
      arity,
      flags,
      since,
      summary,
      group: 'server',
      complexity,
    }),
    run,
  }
}

const SUBCOMMANDS: readonly RedisCommandSpec[] = [
  subcommand(
    'count',
    2,
    '2.8.13',
    'Counts the commands.',
    (_session, _args, server) => server.commands.entries.length,
  ),
  subcommand('docs', -2, '7.0.0', 'Describes commands for people.', (_session, args, server) => {
    const entries = args.length > 2 ? named(args.slice(2), server.commands) : server.commands.entries
    const known = entries.filter((entry) => entry !== null)
    return { kind: 'map', entries: known.map((entry) => [entry.info.name, docsReply(entry)] as const) }
  }),
  subcommand(
    'getkeys',
    -4,
    '2.8.13',
    'Answers the keys among the words of a command.',
    (_session, args, server) => {
      return keysReply(args.slice(2), server.commands)
    },
  ),
  subcommand(
    'getkeysandflags',
    -4,
    '7.0.0',
    'Answers the keys among the words of a command, and what it does to them.',
    (_session, args, server) => {
      const words = args.slice(2)
      const keys = keysReply(words, server.commands)
      if (!Array.isArray(keys)) return keys
      const flags = accessFlags(server.commands.describe(words[0] as ByteString) as CatalogEntry)
      return keys.map((key) => [key, flags])
    },
  ),
  subcommand('help', 2, '5.0.0', 'Lists the subcommands.', () =>
    helpReply('COMMAND', [
      ['(no subcommand)', 'Describe all commands for programs.'],
      ['COUNT', 'Return the number of commands.'],
      ['DOCS [<name> ...]', 'Describe commands for people.'],
      ['GETKEYS <full-command>', 'Return the keys of a full command.'],
      ['GETKEYSANDFLAGS <full-command>', 'Return the keys of a full command and what it does to them.'],
      ['INFO [<name> ...]', 'Describe commands for programs.'],
      [
        'LIST [FILTERBY (MODULE <name>|ACLCAT <category>|PATTERN <pattern>)]',
        'Return the names of commands.',
      ],
    ]),
  ),
  subcommand('info', -2, '2.8.13', 'Describes commands for programs.', (_session, args, server) => {
    const entries = args.length > 2 ? named(args.slice(2), server.commands) : server.commands.entries
    return entries.map((entry) => (entry === null ? null : infoReply(entry)))
  }),
  subcommand('list', -2, '7.0.0', 'Answers the names of the commands.', (_session, args, server) => {
    return listReply(args, server.commands)
  }),
]

export const COMMAND: RedisCommandSpec = {
  info: describeCommand({
    name: 'command',
    arity: -1,
    flags: ['loading', 'stale'],
    since: '2.8.13',
    summary: 'Describes all commands for programs.',
    group: 'server',
    complexity: 'O(N) where N is the number of commands',
  }),
  run: (_session, _args, server) => server.commands.entries.map(infoReply),
  subcommands: SUBCOMMANDS,
}

function named(names: readonly ByteString[], commands: CommandCatalog): (CatalogEntry | null)[] {
  return names.map((name) => commands.describe(name))
}

function keysReply(words: readonly ByteString[], commands: CommandCatalog): Reply {
  const entry = commands.describe(words[0] as ByteString)
  if (entry === null) return NO_SUCH_COMMAND
  if (entry.info.keys === null) return NO_KEYS
  if (!arityFits(entry.info, words.length)) return BAD_ARITY
  return commandKeys(entry.info, words)
}

function accessFlags({ info }: CatalogEntry): Reply {
  return { kind: 'set', members: keyAccess(info).map((text) => ({ kind: 'status', text })) }
}

function listReply(args: readonly ByteString[], commands: CommandCatalog): Reply {
  const all = commands.entries.flatMap((entry) => [entry.info, ...entry.subcommands])
  if (args.length === 2) return all.map((info) => info.name)
  if (args.length !== 5 || lowerCase(args[2] as ByteString) !== 'filterby') return SYNTAX_ERROR
  const value = args[4] as ByteString
  switch (lowerCase(args[3] as ByteString)) {
    case 'module':
      return []
    case 'aclcat':
      return all
        .filter((info) => categoriesOf(info).includes(`@${lowerCase(value)}`))
        .map((info) => info.name)
    case 'pattern':
      return all.filter((info) => matchesGlob(lowerCase(value), info.name)).map((info) => info.name)
    default:
      return SYNTAX_ERROR
  }
}
