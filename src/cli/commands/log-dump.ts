/** `holdfast log-dump DIR`: what is in a node's log, in words, damage included. */
import type { Command } from 'commander'
import { type CommandContext, EXIT_FAILED, EXIT_OK } from '../command-context.ts'

export type LogDumpFlags = { readonly entries?: true }

export function addLogDumpCommand(
  program: Command,
  context: CommandContext,
  finish: (code: number) => void,
): void {
  program
    .command('log-dump')
    .summary("print what is in a node's log")
    .description('Reads the log of a node that is stopped, or of a copy. Changes nothing.')
    .argument('<dir>', 'data directory of the node')
    .option('--entries', 'one more line for each entry')
    .action(async (directory: string, flags: LogDumpFlags) => finish(await dump(directory, flags, context)))
}

export async function dump(directory: string, flags: LogDumpFlags, context: CommandContext): Promise<number> {
  const { createNodeDisk } = await import('../../env-node/node-disk.ts')
  const { dumpLog } = await import('../../storage/log/log-dump.ts')
  const { LOG_DIRECTORY } = await import('../../storage/log/open-shared-log.ts')
  const { reportError } = await import('../report-error.ts')
  const disk = createNodeDisk({ directory })
  try {
    for await (const line of dumpLog(disk, LOG_DIRECTORY, { withEntries: flags.entries === true })) {
      context.write(`${line}\n`)
    }
    return EXIT_OK
  } catch (thrown) {
    reportError(context, "can't read the log", thrown)
    return EXIT_FAILED
  } finally {
    await disk.close()
  }
}
