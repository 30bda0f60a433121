/** `holdfast explain CODE`: what an error means and what to do about it. */
import type { Command } from 'commander'
import type { CommandContext } from '../command-context.ts'
import { EXIT_FAILED, EXIT_OK } from '../command-context.ts'

export function addExplainCommand(
  program: Command,
  context: CommandContext,
  finish: (code: number) => void,
): void {
  program
    .command('explain')
    .summary('explain an error code')
    .description('Says what an error means, whether it heals by itself, and what to do.')
    .argument('<code>', 'code or name of an error: 2002 or diskFull')
    .action(async (codeOrName: string) => finish(await explain(codeOrName, context)))
}

export async function explain(codeOrName: string, context: CommandContext): Promise<number> {
  const { errorNames, errorRow, explainCode } = await import('../../base/error-catalogue.ts')
  const { suggest } = await import('../options/suggest.ts')
  const names = errorNames()
  const named = names.find((name) => name.toLowerCase() === codeOrName.toLowerCase())
  const code = named === undefined ? Number(/^\d{1,9}$/.exec(codeOrName)?.[0]) : errorRow(named).code
  const row = explainCode(code)
  if (row === null) {
    const nearest = suggest(codeOrName, names)
    const hint = nearest === null ? 'docs/reference/errors.md lists them all' : `did you mean ${nearest}?`
    context.writeError(`holdfast: there is no error ${codeOrName}; ${hint}\n`)
    return EXIT_FAILED
  }
  context.write(
    `${row.code} ${row.name} (${row.type})\n\n` +
      `  what it means      ${row.what}\n` +
      `  what to do         ${row.hint}\n` +
      `  heals by itself    ${row.healsByItself ? 'yes, when the cause is gone: no restart, no command' : 'no'}\n` +
      `  may be sent again  ${row.retryable ? 'yes' : 'no'} (${row.advice})\n` +
      `  Redis clients see  ${row.redis}\n` +
      `  HTTP clients see   ${row.httpStatus}\n`,
  )
  return EXIT_OK
}
