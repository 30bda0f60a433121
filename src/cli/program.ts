/**
 * The command line: one command per file, each of which loads what it needs only when it runs,
 * so that `holdfast explain 2002` does not load a database.
 */
import { Command, CommanderError } from 'commander'
import { HOLDFAST_VERSION } from '../base/version.ts'
import { type CommandContext, EXIT_FAILED, EXIT_OK } from './command-context.ts'
import { addBenchCommand } from './commands/bench.ts'
import { addConfigCommand } from './commands/config-check.ts'
import { addDemoCommand } from './commands/demo.ts'
import { addExplainCommand } from './commands/explain.ts'
import { addLogDumpCommand } from './commands/log-dump.ts'
import { addStartCommand } from './commands/start.ts'
import { addStatusCommand } from './commands/status.ts'

/** Resolves with the exit code. `words` are the arguments after the program's name. */
export async function runProgram(words: readonly string[], context: CommandContext): Promise<number> {
  let code = EXIT_OK
  const program = makeProgram(context, (finished) => {
    code = finished
  })
  try {
    await program.parseAsync([...words], { from: 'user' })
    return code
  } catch (error) {
    // Commander has said what is wrong, or printed the help that was asked for.
    if (error instanceof CommanderError) return error.exitCode
    throw error
  }
}

export function makeProgram(context: CommandContext, finish: (code: number) => void): Command {
  const program = new Command('holdfast')
    .description(
      'The data store that keeps its word: keys and vectors, replicated, for the clients you have.',
    )
    .version(HOLDFAST_VERSION, '--version', 'print the version')
    .helpOption('--help', 'print this help')
    .showSuggestionAfterError(true)
    .showHelpAfterError('(holdfast --help shows what there is)')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => context.write(text),
      writeErr: (text) => context.writeError(text),
      outputError: (text, write) => write(`holdfast: ${text}`),
    })
  addStartCommand(program, context, finish)
  addDemoCommand(program, context, finish)
  addStatusCommand(program, context, finish)
  addBenchCommand(program, context, finish)
  addExplainCommand(program, context, finish)
  addConfigCommand(program, context, finish)
  addLogDumpCommand(program, context, finish)
  for (const command of program.commands)
    command.copyInheritedSettings(program).helpOption('--help', 'print this help')
  program.action(() => {
    program.outputHelp({ error: true })
    finish(EXIT_FAILED)
  })
  return program
}
