/** A command that is answered by the connection itself, without the key machine. */
import type { ByteString } from '../base/bytes.ts'
import type { CommandDocs, CommandFlag, CommandInfo } from '../kv/command-info.ts'
import type { Reply } from '../kv/reply.ts'
import type { RedisSession } from './redis-session.ts'
import type { ServerFacts } from './server-facts.ts'

/** `args[0]` is the name in lower case (a container's `args[1]` as sent); their number fits the arity. */
export type RedisCommandHandler = (
  session: RedisSession,
  args: readonly ByteString[],
  server: ServerFacts,
) => Reply

/** What the connection does itself, because the answer may take a while. */
export type ConnectionStep = 'exec' | 'watch'

export type RedisCommandSpec = {
  readonly info: CommandInfo
  /** Null: the key machine carries it out. */
  readonly run: RedisCommandHandler | ConnectionStep | null
  readonly subcommands?: readonly RedisCommandSpec[]
}

type Description = {
  readonly name: string
  readonly arity: number
  readonly flags: readonly CommandFlag[]
  readonly categories?: readonly string[]
  readonly summary: string
  readonly since: string
  readonly group?: CommandDocs['group']
  readonly complexity?: string
}

/** The metadata of a command without keys, with what is the same for nearly all of them. */
export function describeCommand(description: Description): CommandInfo {
  return {
    name: description.name,
    arity: description.arity,
    flags: description.flags,
    keys: null,
    categories: description.categories ?? ['@connection'],
    docs: {
      summary: description.summary,
      since: description.since,
      group: description.group ?? 'connection',
      complexity: description.complexity ?? 'O(1)',
    },
  }
}

/** HELP has flags of its own in Redis. */
const HELP_FLAGS: readonly CommandFlag[] = ['loading', 'stale']

type MakeSubcommand = (
  name: string,
  arity: number,
  since: string,
  summary: string,
  run: RedisCommandHandler,
  complexity?: string,
) => RedisCommandSpec

/** Makes the subcommands of a container that is about the server; but for HELP they share their flags. */
export function serverSubcommands(container: Pick<Description, 'name' | 'flags'>): MakeSubcommand {
  return (name, arity, since, summary, run, complexity = 'O(1)') => ({
    info: describeCommand({
      name: `${container.name}|${name}`,
      arity,
      flags: name === 'help' ? HELP_FLAGS : container.flags,
      categories: [],
      since,
      summary,
      group: 'server',
      complexity,
    }),
    run,
  })
}

/** A container's HELP: how to call it, then each subcommand with its explanation, as status lines. */
export function helpReply(
  container: string,
  lines: readonly (readonly [usage: string, help: string])[],
): Reply {
  const texts = [`${container} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:`]
  for (const [usage, help] of [...lines, ['HELP', 'Print this help.'] as const]) {
    texts.push(usage, `    ${help}`)
  }
  return texts.map((text) => ({ kind: 'status', text }) as const)
}
