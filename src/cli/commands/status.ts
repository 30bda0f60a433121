/** `holdfast status`: nodes, groups, leaders, lag, storage. */
import type { Command } from 'commander'
import { type CommandContext, EXIT_FAILED, EXIT_OK } from '../command-context.ts'

const WATCH_INTERVAL_MS = 1_000
/** Cursor home, then clear what is below: no flicker. */
const REDRAW = '\x1b[H\x1b[J'
const DEFAULT_DIRECTORIES = ['./holdfast-data', './holdfast-demo'] as const

export type StatusFlags = {
  readonly json?: true
  readonly watch?: true
  readonly dataDir?: string
  readonly http?: string
}

export function addStatusCommand(
  program: Command,
  context: CommandContext,
  finish: (code: number) => void,
): void {
  program
    .command('status')
    .summary('show nodes, groups and storage')
    .description('Asks a node for what it knows of itself and its cluster.')
    .option('--json', 'print JSON instead of tables')
    .option('--watch', 'print again every second, until Ctrl-C')
    .option(
      '--data-dir <PATH>',
      `data directory of a node, or of a demo (default: ${DEFAULT_DIRECTORIES.join(' or ')})`,
    )
    .option('--http <HOST:PORT>', 'HTTP address of a node')
    .action(async (flags: StatusFlags) => finish(await showStatus(flags, context)))
}

export async function showStatus(flags: StatusFlags, context: CommandContext): Promise<number> {
  const { reportError, configurationError } = await import('../report-error.ts')
  const { parseAddress, addressesKind } = await import('../options/value-kinds.ts')
  const address = flags.http === undefined ? null : parseAddress(flags.http)
  if (flags.http !== undefined && address === null) {
    const message = `option http: ${JSON.stringify(flags.http)} is not allowed`
    reportError(
      context,
      "can't ask for the status",
      configurationError([
        { where: '--http', message, allowed: `it must be one of ${addressesKind.allowed}` },
      ]),
    )
    return EXIT_FAILED
  }
  for (;;) {
    const isShown = await showOnce(flags, address, context)
    if (flags.watch !== true) return isShown ? EXIT_OK : EXIT_FAILED
    await new Promise((resolve) => setTimeout(resolve, WATCH_INTERVAL_MS))
  }
}

async function showOnce(
  flags: StatusFlags,
  address: { readonly host: string; readonly port: number } | null,
  context: CommandContext,
): Promise<boolean> {
  const { fetchStatus, findTargets } = await import('../status/fetch-status.ts')
  const { renderStatus } = await import('../status/render-status.ts')
  const { reportError } = await import('../report-error.ts')
  const redraw = flags.watch === true && flags.json !== true ? REDRAW : ''
  try {
    const directories = flags.dataDir === undefined ? DEFAULT_DIRECTORIES : [flags.dataDir]
    const targets = address === null ? await findTargets(directories) : [{ address, who: 'the node' }]
    const status = await fetchStatus(targets, directories)
    const json = flags.watch === true ? JSON.stringify(status) : JSON.stringify(status, null, 2)
    context.write(flags.json === true ? `${json}\n` : redraw + renderStatus(status))
    return true
  } catch (thrown) {
    if (redraw !== '') context.write(redraw)
    reportError(context, "can't show the status", thrown)
    return false
  }
}
