/**
 * Every command the server knows: those of the key machine and those answered here, in one table
 * that yields lookup, arity check, COMMAND and the reference page.
 */
import assert from 'node:assert/strict'
import type { ByteString } from '../base/bytes.ts'
import type { CommandInfo } from '../kv/command-info.ts'
import { arityFits } from '../kv/command-keys.ts'
import { wrongArity } from '../kv/errors.ts'
import type { ErrorReply } from '../kv/reply.ts'
import type { CatalogEntry, CommandCatalog } from './command-catalog.ts'
import { type KnownNames, makeKnownNames } from './known-names.ts'
import { lowerCase } from './lower-case.ts'
import type { ConnectionStep, RedisCommandHandler, RedisCommandSpec } from './redis-command-spec.ts'
import { unknownCommand, unknownSubcommand } from './redis-errors.ts'

export type TableEntry = CatalogEntry & {
  readonly kind: 'entry'
  /** Null: the command belongs to the key machine. */
  readonly run: RedisCommandHandler | ConnectionStep | null
  readonly allowedBeforeAuth: boolean
  /** Null when the command is no container. */
  readonly subcommandsByName: ReadonlyMap<string, TableEntry> | null
}

export interface CommandTable extends CommandCatalog {
  /** For the parser. */
  readonly knownNames: KnownNames
  /** The command that `args` (at least one) call, or the error that says why there is none. */
  resolve(args: readonly ByteString[]): TableEntry | ErrorReply
}

export function createCommandTable(
  dataCommands: Iterable<CommandInfo>,
  connectionCommands: Iterable<RedisCommandSpec>,
): CommandTable {
  const byName = new Map<string, TableEntry>()
  const add = (entry: TableEntry): void => {
    assert(!byName.has(entry.info.name), `command '${entry.info.name}' is in the table twice`)
    byName.set(entry.info.name, entry)
  }
  for (const info of dataCommands) add(makeEntry(info, null, []))
  for (const spec of connectionCommands) add(makeEntry(spec.info, spec.run, spec.subcommands ?? []))
  const entries = [...byName.values()].sort((left, right) => (left.info.name < right.info.name ? -1 : 1))

  // Clients send a name in lower or in upper case, over and over: both are found without a change of case.
  const bySentName = new Map(byName)
  for (const [name, entry] of byName) bySentName.set(name.toUpperCase(), entry)
  const find = (name: ByteString): TableEntry | undefined =>
    bySentName.get(name) ?? byName.get(lowerCase(name))

  return {
    entries,
    knownNames: makeKnownNames(byName.keys()),
    resolve: (args) => {
      const entry = find(args[0] as ByteString)
      if (entry === undefined) return unknownCommand(args)
      if (entry.subcommandsByName !== null && args.length > 1) return resolveSubcommand(entry, args)
      return arityFits(entry.info, args.length) ? entry : wrongArity(entry.info.name)
    },
    describe: (name) => {
      const [container, subcommand] = lowerCase(name).split('|', 2)
      const entry = byName.get(container as string)
      if (entry === undefined || subcommand === undefined) return entry ?? null
      return entry.subcommandsByName?.get(subcommand) ?? null
    },
  }
}

function resolveSubcommand(container: TableEntry, args: readonly ByteString[]): TableEntry | ErrorReply {
  const name = args[1] as ByteString
  const entry = container.subcommandsByName?.get(lowerCase(name))
  if (entry === undefined) return unknownSubcommand(container.info.name, name)
  return arityFits(entry.info, args.length) ? entry : wrongArity(entry.info.name)
}

function makeEntry(
  info: CommandInfo,
  run: RedisCommandHandler | ConnectionStep | null,
  subcommands: readonly RedisCommandSpec[],
): TableEntry {
  assert(info.name === lowerCase(info.name) && info.name !== '')
  assert(Number.isInteger(info.arity) && info.arity !== 0)
  const prefix = `${info.name}|`
  const byName = new Map<string, TableEntry>()
  for (const spec of subcommands) {
    assert(spec.info.name.startsWith(prefix) && spec.subcommands === undefined)
    byName.set(spec.info.name.slice(prefix.length), makeEntry(spec.info, spec.run, []))
  }
  return {
    kind: 'entry',
    info,
    subcommands: subcommands.map((spec) => spec.info),
    run,
    allowedBeforeAuth: info.flags.includes('no_auth'),
    subcommandsByName: byName.size === 0 ? null : byName,
  }
}
