/**
 * Errors as plain data, for peers, logs and the status page, and back.
 *
 * What is read back may come from another version: an unknown code becomes an `internalError`
 * that says so, and a known one keeps its name, type, context and causes. The stack does not
 * travel.
 */
import { errorNameOfCode, isErrorType } from './error-catalogue.ts'
import { type ErrorType } from './error-row.ts'
import { CAUSE_DEPTH_MAX, isCorruption, markCorruption, StorageError, toStorageError } from './errors.ts'
import { type PlainRecord, redactText } from './redaction.ts'

export type ErrorJson = {
  readonly code: number
  readonly name: string
  readonly type: ErrorType
  readonly message: string
  readonly hint: string
  readonly retryable: boolean
  readonly healsByItself: boolean
  readonly corruption: boolean
  readonly timeMs: number | null
  readonly context: PlainRecord
  readonly cause: ErrorJson | ForeignCauseJson | null
}

/** A cause that is none of ours: only what it said. */
export type ForeignCauseJson = { readonly name: string; readonly message: string }

export function errorToJson(error: StorageError): ErrorJson {
  return toJson(error, 0)
}

/** Throws a `TypeError` when `json` is not what `errorToJson` gives. */
export function errorFromJson(json: unknown): StorageError {
  return fromJson(json, 0)
}

function toJson(error: StorageError, depth: number): ErrorJson {
  return {
    code: error.code,
    name: error.name,
    type: error.type,
    message: error.message,
    hint: error.hint,
    retryable: error.retryable,
    healsByItself: error.healsByItself,
    corruption: isCorruption(error),
    timeMs: error.timeMs,
    context: error.context,
    cause: causeToJson(error.cause, depth + 1),
  }
}

function causeToJson(cause: unknown, depth: number): ErrorJson | ForeignCauseJson | null {
  if (cause === undefined || cause === null || depth >= CAUSE_DEPTH_MAX) return null
  if (cause instanceof StorageError) return toJson(cause, depth)
  if (cause instanceof Error) return { name: cause.name, message: redactText(cause.message) }
  return { name: typeof cause, message: toStorageError(cause).message }
}

function fromJson(json: unknown, depth: number): StorageError {
  const { code, name, type, message, hint, healsByItself, corruption, timeMs, context, cause } = record(json)
  if (typeof code !== 'number' || typeof name !== 'string' || !isErrorType(type))
    throw malformed('code, name or type')
  if (typeof message !== 'string' || typeof hint !== 'string') throw malformed('message or hint')
  if (typeof healsByItself !== 'boolean' || typeof corruption !== 'boolean') throw malformed('a flag')
  if (timeMs !== null && (typeof timeMs !== 'number' || !Number.isFinite(timeMs))) throw malformed('timeMs')
  const known = errorNameOfCode(code)
  const error = new StorageError(known ?? 'internalError', type, {
    message,
    hint,
    healsByItself,
    context: known === null ? { ...record(context), unknownCode: code, unknownName: name } : record(context),
    ...(timeMs === null ? {} : { timeMs }),
    ...(cause === null || cause === undefined || depth + 1 >= CAUSE_DEPTH_MAX
      ? {}
      : { cause: causeFromJson(cause, depth + 1) }),
  })
  return corruption ? markCorruption(error) : error
}

function causeFromJson(json: unknown, depth: number): Error {
  const cause = record(json)
  if ('code' in cause) return fromJson(cause, depth)
  if (typeof cause['name'] !== 'string' || typeof cause['message'] !== 'string') throw malformed('a cause')
  const error = new Error(cause['message'])
  error.name = cause['name']
  return error
}

function record(value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed('an object')
  return { ...value }
}

function malformed(what: string): TypeError {
  return new TypeError(`not an error in plain form: ${what}`)
}
