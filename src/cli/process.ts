/** The process of every `holdfast` command: hands its arguments over, and ends with the exit code. */
import { EXIT_FAILED, EXIT_OK } from './command-context.ts'
import { runProgram } from './program.ts'

// `holdfast status | head` closes the pipe early: an end like any other, not an error.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) =>
    process.exit(error.code === 'EPIPE' ? EXIT_OK : EXIT_FAILED),
  )
}

const context = {
  environment: process.env,
  processId: process.pid,
  write: (text: string): void => void process.stdout.write(text),
  writeError: (text: string): void => void process.stderr.write(text),
  exit: (code: number): never => process.exit(code),
}

let code: number
try {
  code = await runProgram(process.argv.slice(2), context)
} catch (thrown) {
  const { reportError } = await import('./report-error.ts')
  reportError(context, 'the command failed', thrown)
  code = EXIT_FAILED
}
// Pipes are written asynchronously: an exit before they are empty would cut the last lines off.
const flush = (stream: NodeJS.WriteStream): Promise<void> =>
  new Promise((resolve) => stream.write('', () => resolve()))
await Promise.all([flush(process.stdout), flush(process.stderr)])
process.exit(code)
