/** Every code as each protocol says it: one line for Redis, problem+json for HTTP. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { bytesToUtf8, isByteString } from './bytes.ts'
import { errorNames, errorRow } from './error-catalogue.ts'
import { httpProblem, REDIS_ERROR_LINE_BYTES_MAX, redisErrorLine } from './error-edges.ts'
import { retriesExhausted, storageError } from './errors.ts'

describe('errors at the edges', () => {
  for (const name of errorNames()) {
    it(`${name} has a Redis line and an HTTP problem`, () => {
      const error = storageError(name)
      const row = errorRow(name)
      const line = redisErrorLine(error)
      assert(line.startsWith(`${row.redis} ${row.code} ${name}: `))
      assert(line.length <= REDIS_ERROR_LINE_BYTES_MAX)
      assert(isByteString(line))
      assert.deepEqual(httpProblem(error), {
        type: `urn:holdfast:error:${row.code}`,
        title: row.what,
        status: row.httpStatus,
        detail: row.what,
        code: row.code,
        name,
        errorType: row.type,
        retryable: error.retryable,
        healsByItself: row.healsByItself,
        hint: row.hint,
      })
    })
  }

  it('stay one line, whatever the message holds', () => {
    const line = redisErrorLine(storageError('diskFault', { message: 'a\r\n+OK\r\nb\0c\nwörld' }))
    assert.doesNotMatch(line, /[\r\n\0]/)
    assert(isByteString(line))
    assert.match(bytesToUtf8(line), /wörld/)
    const long = redisErrorLine(storageError('diskFault', { message: 'ö'.repeat(1000) }))
    assert(long.length <= REDIS_ERROR_LINE_BYTES_MAX)
  })

  it('of exhausted retries speak as the failure beneath', () => {
    const full = storageError('diskFull')
    const error = retriesExhausted(retriesExhausted(full, 3), 2)
    assert(redisErrorLine(error).startsWith('MISCONF 4001 '))
    assert.equal(httpProblem(error).status, 507)
    assert(redisErrorLine(storageError('retriesExhausted')).startsWith('ERR 4001 '))
  })
})
