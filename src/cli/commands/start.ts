/** `holdfast start`: a node, until it is told to stop. Its flags are the option table. */
import { type Command, Option } from 'commander'
import type { CommandContext } from '../command-context.ts'
import { OPTION_NAMES, type OptionName, specOf } from '../options/option-table.ts'

export function addStartCommand(
  program: Command,
  context: CommandContext,
  finish: (code: number) => void,
): void {
  const command = program
    .command('start')
    .summary('start a node')
    .description(
      'Starts a node, and a new cluster if the data directory is empty and --join is not given.\n' +
        'Flags win over HOLDFAST_… variables, those over the file, that over the defaults.',
    )
  for (const name of OPTION_NAMES) command.addOption(flagOf(name))
  command.action(async (flags: Readonly<Record<string, string | true>>) => {
    const { runNode } = await import('../start/run-node.ts')
    finish(await runNode(collectFlags(flags), context))
  })
}

function flagOf(name: OptionName): Option {
  const { kind, default: value, summary } = specOf(name)
  const shown = value === null || value === false ? '' : ` (default: ${kind.show(value)})`
  return new Option(
    kind.placeholder === '' ? `--${name}` : `--${name} <${kind.placeholder}>`,
    `${summary}${shown}`,
  )
}

/** Under the names of the table; commander turns them into camel case. */
export function collectFlags(
  flags: Readonly<Record<string, string | true>>,
): ReadonlyMap<OptionName, string> {
  const collected = new Map<OptionName, string>()
  for (const name of OPTION_NAMES) {
    const value = flags[name.replaceAll(/-([a-z])/g, (_, letter: string) => letter.toUpperCase())]
    if (value !== undefined) collected.set(name, String(value))
  }
  return collected
}
