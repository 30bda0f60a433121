/** `holdfast config check FILE`: reads a configuration file without starting anything. */
import type { Command } from 'commander'
import { type CommandContext, EXIT_FAILED, EXIT_OK } from '../command-context.ts'

export function addConfigCommand(
  program: Command,
  context: CommandContext,
  finish: (code: number) => void,
): void {
  const config = program.command('config').summary('work with configuration files')
  config
    .command('check')
    .summary('check a configuration file')
    .description(
      'Reports everything that is wrong in a file, with line and column. The environment is not looked at.',
    )
    .argument('<file>', 'YAML file')
    .action(async (path: string) => finish(await checkConfig(path, context)))
}

export async function checkConfig(path: string, context: CommandContext): Promise<number> {
  const { readConfigFile } = await import('../load-options.ts')
  const { resolveOptions } = await import('../options/resolve-options.ts')
  const { describeProblem } = await import('../options/option-problem.ts')
  const { reportError } = await import('../report-error.ts')
  try {
    const file = await readConfigFile(path)
    const { problems } = resolveOptions({ flags: new Map(), environment: {}, file })
    for (const problem of problems) context.writeError(`${describeProblem(problem)}\n`)
    if (problems.length > 0) return EXIT_FAILED
    const count = file.entries.size
    context.write(`${path}: no problems, ${count} ${count === 1 ? 'option' : 'options'}\n`)
    return EXIT_OK
  } catch (thrown) {
    reportError(context, "can't check the file", thrown)
    return EXIT_FAILED
  }
}
