/** `holdfast demo`: a cluster of real processes on this machine. */
import type { Command } from 'commander'
import { type CommandContext, EXIT_FAILED } from '../command-context.ts'

export type DemoFlags = { readonly nodes: string; readonly dataDir: string; readonly restart?: true }

export function addDemoCommand(
  program: Command,
  context: CommandContext,
  finish: (code: number) => void,
): void {
  program
    .command('demo')
    .summary('run a cluster on this machine')
    .description(
      'Starts several nodes as processes of their own and joins them into a cluster.\n' +
        'Ctrl-C stops them all; started again on the same directory, they go on where they were.',
    )
    .option('--nodes <N>', 'how many', '3')
    .option('--data-dir <PATH>', 'holds one data directory for each node', './holdfast-demo')
    .option('--restart', 'start a node again when it dies')
    .action(async (flags: DemoFlags) => finish(await demo(flags, context)))
}

export async function demo(flags: DemoFlags, context: CommandContext): Promise<number> {
  const { DEMO_NODES_MAX } = await import('../demo/demo-plan.ts')
  const { integerKind } = await import('../options/value-kinds.ts')
  const kind = integerKind(1, DEMO_NODES_MAX, 'N', `a whole number, 1 to ${DEMO_NODES_MAX}`)
  const nodes = kind.parse(flags.nodes)
  if (nodes === null) {
    const { configurationError, reportError } = await import('../report-error.ts')
    const message = `option nodes: ${JSON.stringify(flags.nodes)} is not allowed`
    const problem = { where: '--nodes', message, allowed: `it must be ${kind.allowed}` }
    reportError(context, "the demo can't run", configurationError([problem]))
    return EXIT_FAILED
  }
  const { runDemo } = await import('../demo/run-demo.ts')
  return runDemo({ nodes, directory: flags.dataDir, restarts: flags.restart === true }, context)
}
