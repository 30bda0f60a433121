/** `holdfast bench`: how fast a server that speaks Redis' protocol answers, from here. */
import type { Command } from 'commander'
import { type CommandContext, EXIT_FAILED, EXIT_OK } from '../command-context.ts'

export type BenchFlags = {
  readonly host: string
  readonly port: string
  readonly clients: string
  readonly pipeline: string
  readonly requests: string
  readonly tests: string
  readonly keys: string
  readonly valueBytes: string
}

export function addBenchCommand(
  program: Command,
  context: CommandContext,
  finish: (code: number) => void,
): void {
  program
    .command('bench')
    .summary('measure the speed of a server')
    .description(
      "Loads a server that speaks Redis' protocol, one test after the other, and prints rates and latencies.\n" +
        'Each client sends a batch, waits for its replies, and sends the next. Writes keys that begin with\n' +
        'bench: and leaves them there; get first sets all of its keys.',
    )
    .option('--host <HOST>', 'where the server is', '127.0.0.1')
    .option('--port <PORT>', 'its port', '6379')
    .option('--clients <N>', 'connections', '50')
    .option('--pipeline <N>', 'requests in a batch', '1')
    .option('--requests <N>', 'how many for each test', '100000')
    .option('--tests <LIST>', 'of ping, set, get, incr, hset', 'set,get,incr,hset')
    .option('--keys <N>', 'different keys, taken at random', '100000')
    .option('--value-bytes <N>', 'size of a value', '128')
    .action(async (flags: BenchFlags) => finish(await bench(flags, context)))
}

export async function bench(flags: BenchFlags, context: CommandContext): Promise<number> {
  const { readBenchPlan } = await import('../bench/bench-plan.ts')
  const { configurationError, reportError } = await import('../report-error.ts')
  const { plan, problems } = readBenchPlan(flags)
  if (plan === null) {
    reportError(context, "can't measure", configurationError(problems))
    return EXIT_FAILED
  }
  const { runBench } = await import('../bench/run-bench.ts')
  try {
    return (await runBench(plan, context)) ? EXIT_OK : EXIT_FAILED
  } catch (thrown) {
    reportError(context, `can't measure ${flags.host}:${flags.port}`, thrown)
    return EXIT_FAILED
  }
}
