/**
 * Where flags, environment, file and defaults meet: flags > environment > file > defaults.
 * Pure: the caller has read the file and hands in the environment. Every value that is present
 * is checked, also one that a stronger source replaces: it would surprise later.
 */
import assert from 'node:assert/strict'
import { checkTogether } from './check-together.ts'
import type { ConfigFile } from './config-file.ts'
import { describeSource, type OptionProblem, type OptionSource } from './option-problem.ts'
import {
  environmentVariable,
  OPTION_NAMES,
  type OptionName,
  type OptionValues,
  specOf,
} from './option-table.ts'
import { suggest } from './suggest.ts'

export type OptionInputs = {
  /** Texts of the flags that were given. */
  readonly flags: ReadonlyMap<OptionName, string>
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly file: ConfigFile | null
}

export type ResolvedOptions = {
  readonly values: OptionValues
  readonly sources: ReadonlyMap<OptionName, OptionSource>
}

export type Resolution = {
  /** Meaningful only when there are no problems. */
  readonly resolved: ResolvedOptions
  readonly problems: readonly OptionProblem[]
  /** Not wrong, but probably not meant. */
  readonly warnings: readonly OptionProblem[]
}

type Given = { readonly text: string; readonly source: OptionSource }

export function resolveOptions(inputs: OptionInputs): Resolution {
  const problems: OptionProblem[] = [...(inputs.file?.problems ?? [])]
  const values: Record<string, unknown> = {}
  const sources = new Map<OptionName, OptionSource>()
  for (const name of OPTION_NAMES) {
    values[name] = specOf(name).default
    sources.set(name, { kind: 'default' })
    // Weakest first: a stronger source replaces what stands.
    for (const given of givenFor(name, inputs)) {
      const value = specOf(name).kind.parse(given.text)
      if (value === null) {
        problems.push(notAllowed(name, given))
        continue
      }
      values[name] = value
      sources.set(name, given.source)
    }
  }
  assert(sources.size === OPTION_NAMES.length)
  const resolved = { values: values as OptionValues, sources }
  if (problems.length === 0) problems.push(...checkTogether(resolved))
  return { resolved, problems, warnings: findMisspelledVariables(inputs.environment) }
}

/** Where the value in force came from, as an operator would look for it. */
export function sourceOf(resolved: ResolvedOptions, name: OptionName): string {
  const source = resolved.sources.get(name)
  assert(source !== undefined)
  return describeSource(name, source)
}

function givenFor(name: OptionName, inputs: OptionInputs): readonly Given[] {
  const given: Given[] = []
  const entry = inputs.file?.entries.get(name)
  if (inputs.file !== null && entry !== undefined) {
    const { line, column } = entry
    given.push({ text: entry.text, source: { kind: 'file', path: inputs.file.path, line, column } })
  }
  // Deployment tools pass variables that were left out as empty ones.
  const variable = inputs.environment[environmentVariable(name)]
  if (variable !== undefined && variable !== '')
    given.push({ text: variable, source: { kind: 'environment' } })
  const flag = inputs.flags.get(name)
  if (flag !== undefined) given.push({ text: flag, source: { kind: 'flag' } })
  return given
}

function notAllowed(name: OptionName, given: Given): OptionProblem {
  const spec = specOf(name)
  const shown = spec.secret === true ? 'the value' : JSON.stringify(given.text)
  // Kubernetes puts tcp://… into variables named after services: a service "holdfast-redis" sets HOLDFAST_REDIS_PORT.
  const isServiceLink = given.source.kind === 'environment' && /^(tcp|udp):\/\//.test(given.text)
  const hint = isServiceLink
    ? ' (Kubernetes set it for a service: set enableServiceLinks: false in the pod)'
    : ''
  return {
    where: describeSource(name, given.source),
    message: `option ${name}: ${shown} is not allowed${hint}`,
    allowed: `it must be ${spec.kind.allowed}`,
  }
}

function findMisspelledVariables(environment: OptionInputs['environment']): readonly OptionProblem[] {
  const known = OPTION_NAMES.map(environmentVariable)
  const warnings: OptionProblem[] = []
  for (const variable of Object.keys(environment)) {
    if (!variable.startsWith('HOLDFAST_') || known.includes(variable)) continue
    const nearest = suggest(variable, known)
    if (nearest === null) continue
    warnings.push({
      where: variable,
      message: 'no option has this variable',
      allowed: `did you mean ${nearest}?`,
    })
  }
  return warnings
}
