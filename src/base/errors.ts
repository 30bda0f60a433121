/**
 * The one error that leaves a layer: what happened, where, whether it heals by itself, what to do.
 *
 * `storageError` makes one from the catalogue; `toStorageError` turns whatever was thrown into
 * one; nothing else decides what an error means. What is not recognised is an `internalError`,
 * which is never retried. Base has no clock: who handles an error passes the time in.
 */
import assert from 'node:assert/strict'
import { errorNameOfErrno } from './errno.ts'
import { type ErrorName, errorRow } from './error-catalogue.ts'
import { type ErrorType, TYPE_ADVICE } from './error-row.ts'
import { type PlainRecord, redact, redactText } from './redaction.ts'

/** How far a chain of causes is followed: longer ones are a bug, perhaps a cycle. */
export const CAUSE_DEPTH_MAX = 8

export type ErrorDetails = {
  /** What happened, with names and numbers; the catalogue's sentence when absent. */
  readonly message?: string
  readonly cause?: unknown
  /** Operation, path, errno, group, index … Secrets are redacted by key name. */
  readonly context?: Readonly<Record<string, unknown>>
  /** When it happened, in milliseconds since 1970 UTC. */
  readonly timeMs?: number
  /** More specific than the catalogue's. */
  readonly hint?: string
  /** When this case differs from the catalogue's rule. */
  readonly healsByItself?: boolean
}

export class StorageError extends Error {
  override readonly name: ErrorName
  readonly code: number
  readonly type: ErrorType
  /** Frozen, plain, redacted. */
  readonly context: PlainRecord
  readonly timeMs: number | null
  readonly hint: string
  readonly healsByItself: boolean

  /** `storageError`, `retriesExhausted` and `toStorageError` call this; `type` is theirs to decide. */
  constructor(name: ErrorName, type: ErrorType, details: ErrorDetails) {
    const row = errorRow(name)
    const timeMs = details.timeMs ?? null
    assert(timeMs === null || Number.isFinite(timeMs), `not a time: ${timeMs}`)
    super(
      redactText(details.message ?? row.what),
      details.cause === undefined ? undefined : { cause: details.cause },
    )
    this.name = name
    this.code = row.code
    this.type = type
    this.context = redact(details.context ?? {})
    this.timeMs = timeMs
    this.hint = details.hint ?? row.hint
    this.healsByItself = details.healsByItself ?? row.healsByItself
    if (type === 'corruption') markCorruption(this)
  }

  /** The same request may be sent again, if it may happen twice or carries a request id. */
  get retryable(): boolean {
    return TYPE_ADVICE[this.type].retryable
  }
}

/** An error of the catalogue; its type is the catalogue's, or its cause's where the row says so. */
export function storageError(name: ErrorName, details: ErrorDetails = {}): StorageError {
  const row = errorRow(name)
  const inherited = row.inheritsType === true ? storageErrorIn(details.cause)?.type : undefined
  return new StorageError(name, inherited ?? row.type, details)
}

/**
 * What is reported when the last attempt failed: still of the type its cause has, so that a later
 * call is judged as before.
 */
export function retriesExhausted(cause: StorageError, attempts: number, timeMs?: number): StorageError {
  assert(Number.isSafeInteger(attempts) && attempts >= 1, `not a number of attempts: ${attempts}`)
  return storageError('retriesExhausted', {
    message: `gave up after ${attempts} ${attempts === 1 ? 'attempt' : 'attempts'}: ${cause.message}`,
    cause,
    context: { ...cause.context, attempts },
    hint: cause.hint,
    healsByItself: cause.healsByItself,
    ...(timeMs === undefined ? {} : { timeMs }),
  })
}

export type NormaliseOptions = {
  readonly timeMs?: number
  readonly context?: Readonly<Record<string, unknown>>
  /** What an error without an errno is, where the caller knows better than `internalError`. */
  readonly otherwise?: ErrorName
}

/**
 * The one way from `unknown` to a `StorageError`. A `StorageError` is returned as it is, also from
 * beneath wrappers; an errno anywhere in the chain of causes decides; a corruption mark makes
 * whatever it is a corruption.
 */
export function toStorageError(thrown: unknown, options: NormaliseOptions = {}): StorageError {
  const known = storageErrorIn(thrown)
  if (known !== null) return known
  const fault = findFault(thrown)
  const name =
    fault === null ? nameWithoutErrno(thrown, options) : errorNameOfErrno(fault.errno, fault.operation)
  const context = { ...faultContext(fault), ...options.context }
  const type = isCorruption(thrown) ? 'corruption' : errorRow(name).type
  return new StorageError(name, type, {
    message: messageOf(thrown),
    cause: thrown,
    context,
    ...(options.timeMs === undefined ? {} : { timeMs: options.timeMs }),
    // A fault that was recognised as damage does not pass like the fault it looked like.
    ...(type === 'corruption' && errorRow(name).type !== 'corruption' ? { healsByItself: false } : {}),
  })
}

const corruptionMarks = new WeakSet<Error>()

/** Marks any error as the discovery of damaged data; returns it. */
export function markCorruption<E extends Error>(error: E): E {
  corruptionMarks.add(error)
  return error
}

/** True when the error, or any of its causes, is marked. */
export function isCorruption(thrown: unknown): boolean {
  return findInChain(thrown, (error) => (corruptionMarks.has(error) ? true : null)) ?? false
}

function storageErrorIn(thrown: unknown): StorageError | null {
  return findInChain(thrown, (error) => (error instanceof StorageError ? error : null))
}

type Fault = { readonly errno: string; readonly operation?: string; readonly path?: string }

/**
 * The first error in the chain that bears an errno's name: as `errno` (env's faults), or as `code`
 * beside a numeric `errno` (Node's own) or with the engine's prefix. Recognised by shape, since
 * base must not know env.
 */
function findFault(thrown: unknown): Fault | null {
  return findInChain(thrown, (error) => {
    const { errno, code, operation, syscall, path } = error as Error & Record<string, unknown>
    const name = typeof errno === 'string' ? errno : errnoFromCode(code)
    if (name === null) return null
    const doing = operation ?? syscall
    return {
      errno: name,
      ...(typeof doing === 'string' ? { operation: doing } : {}),
      ...(typeof path === 'string' ? { path } : {}),
    }
  })
}

function errnoFromCode(code: unknown): string | null {
  return typeof code === 'string' &&
    /^(E[A-Z0-9]+(_[A-Z]+)?|LEVEL_[A-Z_]+)$/.test(code) &&
    !code.startsWith('ERR_')
    ? code
    : null
}

function faultContext(fault: Fault | null): Record<string, string> {
  return fault === null ? {} : { ...fault }
}

function nameWithoutErrno(thrown: unknown, options: NormaliseOptions): ErrorName {
  if (thrown instanceof Error) {
    if (thrown.name === 'TimeoutError') return 'deadlineExceeded'
    if (thrown.name === 'AbortError') return 'cancelled'
    if (thrown.name === 'AssertionError') return 'internalError'
  }
  return options.otherwise ?? 'internalError'
}

function messageOf(thrown: unknown): string {
  if (thrown instanceof Error) return thrown.message === '' ? thrown.name : thrown.message
  if (typeof thrown === 'string') return thrown
  return `thrown: ${typeof thrown === 'number' || typeof thrown === 'boolean' ? thrown : typeof thrown}`
}

function findInChain<Found>(thrown: unknown, find: (error: Error) => Found | null): Found | null {
  let current = thrown
  for (let depth = 0; depth < CAUSE_DEPTH_MAX && current instanceof Error; depth++) {
    const found = find(current)
    if (found !== null) return found
    current = current.cause
  }
  return null
}
