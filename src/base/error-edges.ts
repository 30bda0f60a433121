/**
 * How each protocol says an error. Pure functions: who has a connection sends what they return.
 *
 *   Redis   `MISCONF 2002 diskFull: <message>. <hint>`   (the error line without `-` and CRLF)
 *   HTTP    problem+json (RFC 9457) with our code, type and flags beside the standard members
 */
import assert from 'node:assert/strict'
import { type ByteString, utf8ToBytes } from './bytes.ts'
import { type ErrorName, errorRow } from './error-catalogue.ts'
import { type ErrorRow, type ErrorType } from './error-row.ts'
import { StorageError } from './errors.ts'

/** Error lines are read by people and by clients with small buffers. */
export const REDIS_ERROR_LINE_BYTES_MAX = 512

export function redisErrorLine(error: StorageError): ByteString {
  const text = `${edgeRow(error).redis} ${error.code} ${error.name}: ${sentence(error.message)} ${error.hint}`
  const line = utf8ToBytes(text.replace(/[\r\n\0]+/g, ' ').trimEnd()).slice(0, REDIS_ERROR_LINE_BYTES_MAX)
  assert(!line.includes('\r') && !line.includes('\n'), 'an error line must be one line')
  return line
}

/** What stands for another error answers as that one: a disk that stayed full is a full disk to every client. */
function edgeRow(error: StorageError): ErrorRow {
  const row = errorRow(error.name)
  return row.inheritsType === true && error.cause instanceof StorageError ? edgeRow(error.cause) : row
}

export type HttpProblem = {
  /** Identifies the kind of problem; not a place to fetch. */
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly code: number
  readonly name: ErrorName
  readonly errorType: ErrorType
  readonly retryable: boolean
  readonly healsByItself: boolean
  readonly hint: string
}

export function httpProblem(error: StorageError): HttpProblem {
  return {
    type: `urn:holdfast:error:${error.code}`,
    title: errorRow(error.name).what,
    status: edgeRow(error).httpStatus,
    detail: error.message,
    code: error.code,
    name: error.name,
    errorType: error.type,
    retryable: error.retryable,
    healsByItself: error.healsByItself,
    hint: error.hint,
  }
}

function sentence(text: string): string {
  return /[.!?…]$/.test(text) ? text : `${text}.`
}
