/** Errors survive the way to a peer and back; what is malformed or unknown never becomes a wrong error. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { errorNames } from './error-catalogue.ts'
import { errorFromJson, errorToJson } from './error-json.ts'
import {
  CAUSE_DEPTH_MAX,
  isCorruption,
  markCorruption,
  retriesExhausted,
  storageError,
  toStorageError,
} from './errors.ts'
import { REDACTED } from './redaction.ts'

function overTheWire(error: ReturnType<typeof storageError>): ReturnType<typeof storageError> {
  return errorFromJson(JSON.parse(JSON.stringify(errorToJson(error))))
}

describe('errors as plain data', () => {
  for (const name of errorNames()) {
    it(`${name} comes back as it was`, () => {
      const error = storageError(name, {
        message: 'what happened',
        timeMs: 12.5,
        context: { path: 'log/1', list: [1, null, true, 'x'] },
        hint: 'Do this.',
        cause: new RangeError('beneath'),
      })
      const back = overTheWire(error)
      assert.deepEqual(errorToJson(back), errorToJson(error))
      assert.equal(back.name, name)
      assert(back.cause instanceof Error)
      assert.equal(String(back.cause), 'RangeError: beneath')
    })
  }

  it('keeps chains of causes, to a limit', () => {
    const error = retriesExhausted(storageError('diskFull', { cause: storageError('diskFault') }), 3)
    const back = overTheWire(error)
    assert.deepEqual(errorToJson(back), errorToJson(error))
    let deep = storageError('diskFault')
    for (let depth = 0; depth < 2 * CAUSE_DEPTH_MAX; depth++)
      deep = storageError('diskFault', { cause: deep })
    let length = 0
    for (let at: unknown = overTheWire(deep); at instanceof Error; at = at.cause) length++
    assert.equal(length, CAUSE_DEPTH_MAX)
  })

  it('keeps the corruption mark and a type that differs from the catalogue', () => {
    const fault = markCorruption(Object.assign(new Error('read x: EIO'), { errno: 'EIO' }))
    const back = overTheWire(toStorageError(fault))
    assert.equal(back.type, 'corruption')
    assert.equal(back.name, 'diskFault')
    assert.equal(isCorruption(back), true)
    assert.equal(isCorruption(overTheWire(storageError('diskFault'))), false)
  })

  it('leaves secrets behind', () => {
    const error = storageError('clientConfiguration', {
      message: 'cannot reach https://user:hunter2@store/x',
      context: {
        endpoint: 'https://user:hunter2@store/x',
        secretKey: 'hunter2',
        deep: { authToken: 'hunter2' },
      },
      cause: new Error('GET https://user:hunter2@store/x'),
    })
    const text = JSON.stringify(errorToJson(error))
    assert.doesNotMatch(text, /hunter2/)
    assert.match(text, new RegExp(REDACTED.replaceAll(/[[\]]/g, '\\$&')))
  })

  it('of a code from a newer version is an internal error that says so', () => {
    const json = { ...errorToJson(storageError('noLeader')), code: 8999, name: 'fromTheFuture' }
    const error = errorFromJson(json)
    assert.equal(error.name, 'internalError')
    assert.equal(error.type, 'temporary')
    assert.deepEqual(error.context, { unknownCode: 8999, unknownName: 'fromTheFuture' })
  })

  it('refuses everything else', () => {
    const good = errorToJson(storageError('noLeader', { cause: new Error('x') }))
    const broken: readonly unknown[] = [
      null,
      [],
      'x',
      {},
      { ...good, code: '8002' },
      { ...good, type: 'toString' },
      { ...good, message: undefined },
      { ...good, healsByItself: 1 },
      { ...good, timeMs: 'now' },
      { ...good, context: null },
      { ...good, cause: 'x' },
      { ...good, cause: { name: 'x' } },
    ]
    for (const json of broken) assert.throws(() => errorFromJson(json), TypeError, JSON.stringify(json))
  })
})
