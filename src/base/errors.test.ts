/** What becomes of whatever is thrown: type, code, cause, mark; never a retry by accident, never a secret. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { errnoRows } from './errno.ts'
import { errorNames, errorRow } from './error-catalogue.ts'
import { TYPE_ADVICE } from './error-row.ts'
import {
  CAUSE_DEPTH_MAX,
  isCorruption,
  markCorruption,
  retriesExhausted,
  StorageError,
  storageError,
  toStorageError,
} from './errors.ts'
import { REDACTED } from './redaction.ts'

/** Shaped like env's faults, which base must not import. */
function fault(errno: string, operation: string, path: string): Error {
  return Object.assign(new Error(`${operation} ${path}: ${errno}`), { errno, operation, path })
}

describe('an error of the catalogue', () => {
  for (const name of errorNames()) {
    it(`${name} carries its code, type and advice`, () => {
      const error = storageError(name)
      const row = errorRow(name)
      assert(error instanceof Error)
      assert.equal(error.name, name)
      assert.equal(error.code, row.code)
      assert.equal(error.type, row.type)
      assert.equal(error.message, row.what)
      assert.equal(error.hint, row.hint)
      assert.equal(error.healsByItself, row.healsByItself)
      assert.equal(error.retryable, TYPE_ADVICE[row.type].retryable)
      assert.equal(isCorruption(error), row.type === 'corruption')
      assert.equal(error.timeMs, null)
      assert.equal('cause' in error, false)
      assert.equal(String(error), `${name}: ${row.what}`)
    })
  }

  it('takes message, cause, time, context and hint from where it happened', () => {
    const cause = new Error('beneath')
    const error = storageError('diskFull', {
      message: 'write log/1: ENOSPC',
      cause,
      timeMs: 1_700_000_000_000,
      context: { path: 'log/1' },
      hint: 'Remove old backups.',
      healsByItself: false,
    })
    assert.equal(error.message, 'write log/1: ENOSPC')
    assert.equal(error.cause, cause)
    assert.equal(error.timeMs, 1_700_000_000_000)
    assert.deepEqual(error.context, { path: 'log/1' })
    assert.equal(error.hint, 'Remove old backups.')
    assert.equal(error.healsByItself, false)
    assert.throws(() => storageError('diskFull', { timeMs: Number.NaN }), { name: 'AssertionError' })
  })

  it('keeps a copy of its context that nobody can change', () => {
    const context = { path: 'a', password: 'hunter2', nested: { list: [1] } }
    const error = storageError('diskFault', { context })
    context.path = 'b'
    assert.deepEqual(error.context, { path: 'a', password: REDACTED, nested: { list: [1] } })
    assert(Object.isFrozen(error.context))
    assert(Object.isFrozen(error.context['nested']))
  })
})

describe('whatever is thrown', () => {
  for (const { errno, name } of errnoRows()) {
    it(`with ${errno} becomes ${name}`, () => {
      const thrown = fault(errno, 'open', 'log/1')
      const error = toStorageError(thrown, { timeMs: 5, context: { group: 3 } })
      assert.equal(error.name, name)
      assert.equal(error.type, errorRow(name).type)
      assert.equal(error.message, thrown.message)
      assert.equal(error.cause, thrown)
      assert.equal(error.timeMs, 5)
      assert.deepEqual(error.context, { errno, operation: 'open', path: 'log/1', group: 3 })
    })
  }

  it("of Node's own shape is read by its code", () => {
    const thrown = Object.assign(new Error('connect ECONNREFUSED'), {
      errno: -111,
      code: 'ECONNREFUSED',
      syscall: 'connect',
    })
    const error = toStorageError(thrown)
    assert.equal(error.name, 'connectionRefused')
    assert.deepEqual(error.context, { errno: 'ECONNREFUSED', operation: 'connect' })
  })

  it('keeps a failed sync apart', () => {
    assert.equal(toStorageError(fault('EIO', 'datasync', 'log/1')).name, 'syncFailed')
    assert.equal(toStorageError(fault('EIO', 'read', 'log/1')).name, 'diskFault')
  })

  it('is returned as it is when it is ours, also from beneath wrappers', () => {
    const ours = storageError('noLeader')
    assert.equal(toStorageError(ours), ours)
    assert.equal(toStorageError(new Error('outer', { cause: new Error('middle', { cause: ours }) })), ours)
  })

  it('is searched for an errno beneath wrappers, but not for ever', () => {
    const beneath = fault('ENOSPC', 'write', 'log/1')
    assert.equal(toStorageError(new Error('outer', { cause: beneath })).name, 'diskFull')
    let deep: Error = beneath
    for (let depth = 0; depth < CAUSE_DEPTH_MAX; depth++) deep = new Error('wrapped', { cause: deep })
    assert.equal(toStorageError(deep).name, 'internalError')
    const cycle = new Error('cycle')
    cycle.cause = cycle
    assert.equal(toStorageError(cycle).name, 'internalError')
  })

  it('and not recognised is never retried', () => {
    const strange: readonly unknown[] = [
      new Error('boom'),
      new TypeError('x is not a function'),
      Object.assign(new Error('x'), { code: 'ERR_INVALID_ARG_TYPE' }),
      Object.assign(new Error('x'), { errno: 'EWHATEVER' }),
      new assert.AssertionError({ message: 'invariant' }),
      'text',
      '',
      42,
      null,
      undefined,
      Symbol('s'),
      { errno: 'ENOSPC' },
      Object.create(null),
    ]
    for (const thrown of strange) {
      const error = toStorageError(thrown)
      assert.equal(error.name, 'internalError')
      assert.equal(error.retryable, false)
      assert.notEqual(error.message, 'undefined')
    }
  })

  it('without an errno is what the caller knows it to be, unless an assertion failed', () => {
    assert.equal(toStorageError(new Error('bad frame'), { otherwise: 'peerProtocol' }).name, 'peerProtocol')
    const broken = new assert.AssertionError({ message: 'invariant' })
    assert.equal(toStorageError(broken, { otherwise: 'peerProtocol' }).name, 'internalError')
  })

  it('tells a deadline from a cancellation', () => {
    assert.equal(toStorageError(AbortSignal.abort().reason).name, 'cancelled')
    assert.equal(toStorageError(new DOMException('late', 'TimeoutError')).name, 'deadlineExceeded')
  })
})

describe('the corruption mark', () => {
  it('can be borne by any error, frozen ones too, and shows through wrappers', () => {
    const plain = Object.freeze(new Error('block 7'))
    assert.equal(isCorruption(plain), false)
    assert.equal(markCorruption(plain), plain)
    assert.equal(isCorruption(plain), true)
    assert.equal(isCorruption(new Error('outer', { cause: plain })), true)
    assert.equal(isCorruption('text'), false)
  })

  it('makes a corruption of what looked like a passing fault, so nothing retries it', () => {
    const error = toStorageError(markCorruption(fault('EIO', 'read', 'engine/1')))
    assert.equal(error.type, 'corruption')
    assert.equal(error.code, 2005)
    assert.equal(error.retryable, false)
    assert.equal(error.healsByItself, false)
    assert.equal(isCorruption(error), true)
  })
})

describe('retries exhausted', () => {
  it('keeps the type, hint and place of the last failure', () => {
    for (const name of errorNames()) {
      const cause = storageError(name, { context: { path: 'log/1' } })
      const error = retriesExhausted(cause, 3, 7)
      assert.equal(error.code, 4001)
      assert.equal(error.type, cause.type)
      assert.equal(error.retryable, cause.retryable)
      assert.equal(error.hint, cause.hint)
      assert.equal(error.cause, cause)
      assert.equal(error.timeMs, 7)
      assert.deepEqual(error.context, { path: 'log/1', attempts: 3 })
      assert.match(error.message, /^gave up after 3 attempts: /)
    }
  })

  it('is an instance of the one class', () => {
    assert(retriesExhausted(storageError('diskFull'), 1) instanceof StorageError)
    assert.throws(() => retriesExhausted(storageError('diskFull'), 0), { name: 'AssertionError' })
  })
})
