/**
 * What is wrong with an option, and where it came from. Problems are collected and reported
 * together, so that an operator fixes a file once and not once per line.
 */
import { environmentVariable, type OptionName } from './option-table.ts'

export type OptionSource =
  | { readonly kind: 'flag' }
  | { readonly kind: 'environment' }
  | { readonly kind: 'file'; readonly path: string; readonly line: number; readonly column: number }
  | { readonly kind: 'default' }

export type OptionProblem = {
  /** `file:line:column`, `--flag` or the environment variable: where to go and change it. */
  readonly where: string
  /** What is wrong, as a sentence without its full stop. */
  readonly message: string
  /** What would be right; null when the message says it. */
  readonly allowed: string | null
  /** Told apart because it has an error code of its own. */
  readonly kind?: 'exposure'
}

export function describeSource(name: OptionName, source: OptionSource): string {
  switch (source.kind) {
    case 'flag':
      return `--${name}`
    case 'environment':
      return environmentVariable(name)
    case 'file':
      return `${source.path}:${source.line}:${source.column}`
    case 'default':
      return `the default of --${name}`
  }
}

export function describeProblem(problem: OptionProblem): string {
  const allowed = problem.allowed === null ? '' : `; ${problem.allowed}`
  return `${problem.where}: ${problem.message}${allowed}`
}
