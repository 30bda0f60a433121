/**
 * Every error Holdfast can report, in one table: what it means, what kind of error it is, whether
 * it heals by itself, what to do, and how each protocol says it.
 *
 * Codes are for people and for `holdfast explain CODE`; they are stable once released and never
 * given a second meaning. They are internal numbers: protocols carry their own (a Milvus client
 * gives 1001 another meaning), so each edge translates. 1001–7003 keep the numbers and meanings of
 * Milvus' StorageV2 page; where a row departs from it, its comment says why.
 */
import assert from 'node:assert/strict'
import { type ErrorRow, type ErrorType, TYPE_ADVICE } from './error-row.ts'
import { CLUSTER_ERRORS } from './error-rows-cluster.ts'
import { NETWORK_ERRORS } from './error-rows-network.ts'
import { STORAGE_ERRORS } from './error-rows-storage.ts'

export const ERROR_CATALOGUE = {
  ...STORAGE_ERRORS,
  ...NETWORK_ERRORS,
  ...CLUSTER_ERRORS,
} as const satisfies Record<string, ErrorRow>

export type ErrorName = keyof typeof ERROR_CATALOGUE

const NAME_OF_CODE: ReadonlyMap<number, ErrorName> = indexCodes()

export function errorRow(name: ErrorName): ErrorRow {
  return ERROR_CATALOGUE[name]
}

/** All names, by ascending code. */
export function errorNames(): readonly ErrorName[] {
  return [...NAME_OF_CODE.values()]
}

export function isErrorName(value: unknown): value is ErrorName {
  return typeof value === 'string' && Object.hasOwn(ERROR_CATALOGUE, value)
}

export function isErrorType(value: unknown): value is ErrorType {
  return typeof value === 'string' && Object.hasOwn(TYPE_ADVICE, value)
}

export function errorNameOfCode(code: number): ErrorName | null {
  return NAME_OF_CODE.get(code) ?? null
}

export type Explanation = ErrorRow & {
  readonly name: ErrorName
  readonly retryable: boolean
  /** What the type says to do, in a word or two; `hint` is the specific advice. */
  readonly advice: string
}

/** What `holdfast explain CODE` prints, as data; null for a code that was never given out. */
export function explainCode(code: number): Explanation | null {
  const name = errorNameOfCode(code)
  if (name === null) return null
  const row = errorRow(name)
  return { ...row, name, ...TYPE_ADVICE[row.type] }
}

function indexCodes(): ReadonlyMap<number, ErrorName> {
  const names = Object.keys(ERROR_CATALOGUE).filter(isErrorName)
  names.sort((left, right) => ERROR_CATALOGUE[left].code - ERROR_CATALOGUE[right].code)
  const index = new Map<number, ErrorName>()
  for (const name of names) {
    const { code } = ERROR_CATALOGUE[name]
    assert(!index.has(code), `error code ${code} is given twice: ${index.get(code)} and ${name}`)
    index.set(code, name)
  }
  assert.equal(
    index.size,
    [STORAGE_ERRORS, NETWORK_ERRORS, CLUSTER_ERRORS].reduce((sum, rows) => sum + Object.keys(rows).length, 0),
    'an error name is given twice',
  )
  return index
}
