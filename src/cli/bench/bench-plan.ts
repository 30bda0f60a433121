/** What the flags of `holdfast bench` ask for. All that is wrong is reported at once. */
import type { OptionProblem } from '../options/option-problem.ts'
import { choicesKind, hostKind, integerKind, type ValueKind } from '../options/value-kinds.ts'
import { LOAD_TESTS, type LoadTest } from './resp-requests.ts'

export type BenchPlan = {
  readonly host: string
  readonly port: number
  readonly clients: number
  readonly pipeline: number
  readonly requests: number
  readonly tests: readonly LoadTest[]
  readonly keys: number
  readonly valueBytes: number
}

const CLIENTS_MAX = 10_000
const PIPELINE_MAX = 1_000
const REQUESTS_MAX = 1_000_000_000
const KEYS_MAX = 100_000_000
const VALUE_BYTES_MAX = 1_048_576

const KINDS = {
  host: hostKind,
  port: countKind(65_535),
  clients: countKind(CLIENTS_MAX),
  pipeline: countKind(PIPELINE_MAX),
  requests: countKind(REQUESTS_MAX),
  tests: choicesKind(Object.keys(LOAD_TESTS) as LoadTest[]),
  keys: countKind(KEYS_MAX),
  valueBytes: countKind(VALUE_BYTES_MAX),
} as const satisfies { readonly [Name in keyof BenchPlan]: ValueKind<BenchPlan[Name]> }

export function readBenchPlan(flags: Readonly<Record<keyof BenchPlan, string>>): {
  readonly plan: BenchPlan | null
  readonly problems: readonly OptionProblem[]
} {
  const problems: OptionProblem[] = []
  const read = <Name extends keyof BenchPlan>(name: Name): BenchPlan[Name] | null => {
    const kind: ValueKind<BenchPlan[Name]> = KINDS[name] as unknown as ValueKind<BenchPlan[Name]>
    const value = kind.parse(flags[name])
    if (value === null) {
      const flag = name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
      const message = `option ${flag}: ${JSON.stringify(flags[name])} is not allowed`
      problems.push({ where: `--${flag}`, message, allowed: `it must be ${kind.allowed}` })
    }
    return value
  }
  const values = Object.fromEntries(
    (Object.keys(KINDS) as (keyof BenchPlan)[]).map((name) => [name, read(name)]),
  )
  return { plan: problems.length === 0 ? (values as BenchPlan) : null, problems }
}

function countKind(max: number): ValueKind<number> {
  return integerKind(1, max, 'N', `a whole number, 1 to ${max}`)
}
