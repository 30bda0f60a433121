/**
 * How a command says why it failed: one line with code and name, one with what to do. Nothing
 * else of the program prints errors for people.
 */
import { type StorageError, storageError, toStorageError } from '../base/errors.ts'
import type { CommandContext } from './command-context.ts'
import { describeProblem, type OptionProblem } from './options/option-problem.ts'

export function reportError(
  context: Pick<CommandContext, 'writeError'>,
  what: string,
  thrown: unknown,
): StorageError {
  const error = toStorageError(thrown)
  context.writeError(renderError(what, error))
  return error
}

/** `holdfast: can't start: 3008 portInUse: …`, then the hint. */
export function renderError(what: string, error: StorageError): string {
  const heals = error.healsByItself ? ' (heals by itself when the cause is gone)' : ''
  return `holdfast: ${what}: ${error.code} ${error.name}: ${error.message}${heals}\n  ${error.hint}\n`
}

/** One error for all that is wrong with the options; the catalogue's own code where there is one. */
export function configurationError(problems: readonly OptionProblem[]): StorageError {
  const lines = problems.map((problem) => `\n  ${describeProblem(problem)}`).join('')
  const isExposure = problems.length === 1 && problems[0]?.kind === 'exposure'
  const count = problems.length === 1 ? 'an option is' : `${problems.length} options are`
  return storageError(isExposure ? 'unsafeExposure' : 'invalidConfiguration', {
    message: `${count} not usable:${lines}`,
    hint: isExposure
      ? 'docs/reference/options.md describes password-file and force-insecure-bind.'
      : 'docs/reference/options.md lists every option; holdfast config check FILE reads a file without starting.',
  })
}
