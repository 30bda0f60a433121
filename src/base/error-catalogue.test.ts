/** Rules every row of the catalogue and of the errno table must keep, and the numbers that must never change. */
import assert from 'node:assert/strict'
import { constants } from 'node:os'
import { describe, it } from 'node:test'
import { ERRNO_TABLE, errnoRows, errorNameOfErrno } from './errno.ts'
import {
  ERROR_CATALOGUE,
  type ErrorName,
  errorNameOfCode,
  errorNames,
  errorRow,
  explainCode,
  isErrorName,
  isErrorType,
} from './error-catalogue.ts'
import { ERROR_TYPES, type ErrorType, TYPE_ADVICE } from './error-row.ts'

/** Codes, names and types of Milvus' StorageV2 page that Holdfast keeps. */
const ORIGINAL: readonly (readonly [number, ErrorName, ErrorType])[] = [
  [1001, 'checksumMismatch', 'corruption'],
  [1002, 'columnCountMismatch', 'permanent'],
  [1003, 'dataTypeMismatch', 'permanent'],
  [1004, 'valueOutOfRange', 'permanent'],
  [2001, 'diskSpaceUnknown', 'temporary'],
  [2002, 'diskFull', 'resourceExhausted'],
  [2003, 'memoryExhausted', 'resourceExhausted'],
  [3001, 'clientConfiguration', 'configuration'],
  [3002, 'connectionFailed', 'network'],
  [4001, 'retriesExhausted', 'temporary'],
  [5001, 'breakerOpen', 'temporary'],
  [6001, 'backupNotFound', 'permanent'],
  [7001, 'healthWriteFailed', 'temporary'],
  [7002, 'healthReadFailed', 'temporary'],
  [7003, 'healthMismatch', 'corruption'],
]

describe('the catalogue of errors', () => {
  for (const name of errorNames()) {
    it(`explains ${ERROR_CATALOGUE[name].code} ${name} completely`, () => {
      const row = errorRow(name)
      assert(Number.isInteger(row.code) && row.code >= 1001 && row.code <= 9999)
      assert(ERROR_TYPES.includes(row.type))
      assert(row.httpStatus >= 400 && row.httpStatus <= 599)
      assert.match(row.what, /^[A-Z].{15,200}\.$/)
      assert.match(row.hint, /^[A-Z].{10,300}\.$/)
      assert.doesNotMatch(row.what + row.hint, /[\r\n]/)
      assert.deepEqual(explainCode(row.code), { ...row, name, ...TYPE_ADVICE[row.type] })
    })
  }

  it('keeps the numbers it took over', () => {
    for (const [code, name, type] of ORIGINAL) {
      assert.equal(errorNameOfCode(code), name)
      assert.equal(errorRow(name).type, type)
    }
  })

  it('knows no code but its own', () => {
    for (const code of [0, -1, 1000, 1.5, Number.NaN, 99_999]) assert.equal(explainCode(code), null)
    assert.equal(isErrorName('toString'), false)
    assert.equal(isErrorType('__proto__'), false)
  })

  it('lets exactly temporary, network and exhausted-resource errors be retried', () => {
    const retryable = ERROR_TYPES.filter((type) => TYPE_ADVICE[type].retryable)
    assert.deepEqual(retryable, ['temporary', 'resourceExhausted', 'network'])
  })

  it('never invites a retry of a write that may have happened', () => {
    assert.equal(explainCode(8004)?.retryable, false)
    assert.equal(explainCode(9001)?.retryable, false)
  })
})

describe('the table of errnos', () => {
  for (const row of errnoRows()) {
    it(`${row.errno} is ${row.name}, ${row.healsByItself ? 'heals by itself' : 'needs a human'}`, () => {
      assert.equal(errorNameOfErrno(row.errno), row.name)
      assert.equal(row.code, errorRow(row.name).code)
    })
  }

  // What an operator relies on, written out: a change of one of these is a change of a promise.
  const MATRIX: readonly (readonly [string, ErrorType, boolean, string])[] = [
    ['ENOSPC', 'resourceExhausted', true, 'MISCONF'],
    ['EDQUOT', 'resourceExhausted', true, 'MISCONF'],
    ['EIO', 'temporary', true, 'MISCONF'],
    ['EROFS', 'permanent', false, 'MISCONF'],
    ['ENODEV', 'permanent', false, 'MISCONF'],
    ['EMFILE', 'resourceExhausted', true, 'MISCONF'],
    ['ENFILE', 'resourceExhausted', true, 'MISCONF'],
    ['ENOMEM', 'resourceExhausted', true, 'OOM'],
    ['EACCES', 'permission', false, 'MISCONF'],
    ['EPERM', 'permission', false, 'MISCONF'],
    ['EAGAIN', 'temporary', true, 'TRYAGAIN'],
    ['EUCLEAN', 'corruption', true, 'ERR'],
    ['LEVEL_CORRUPTION', 'corruption', false, 'MISCONF'],
    ['ECONNREFUSED', 'network', true, 'TRYAGAIN'],
    ['ECONNRESET', 'network', true, 'TRYAGAIN'],
    ['ETIMEDOUT', 'network', true, 'TRYAGAIN'],
    ['EADDRINUSE', 'configuration', false, 'ERR'],
  ]
  for (const [errno, type, healsByItself, redis] of MATRIX) {
    it(`promises for ${errno}: ${type}, ${redis}`, () => {
      const row = errorRow(errorNameOfErrno(errno))
      assert.deepEqual([row.type, row.healsByItself, row.redis], [type, healsByItself, redis])
    })
  }

  it('names only errnos that exist', () => {
    // Names Node leaves out of its list, though Linux or its resolver reports them.
    const elsewhere = new Set([
      'EUCLEAN',
      'ENOMEDIUM',
      'EREMOTEIO',
      'ESHUTDOWN',
      'EHOSTDOWN',
      'ENONET',
      'ENOTFOUND',
      'EAI_AGAIN',
      'EAI_FAIL',
      'EAI_NONAME',
      'LEVEL_CORRUPTION',
      'LEVEL_IO_ERROR',
      'LEVEL_LOCKED',
    ])
    const unknown = Object.keys(ERRNO_TABLE).filter(
      (errno) => !(errno in constants.errno) && !elsewhere.has(errno),
    )
    assert.deepEqual(unknown, [])
  })

  it('treats a failed sync apart from a failed read, and only that', () => {
    assert.equal(errorNameOfErrno('EIO', 'read'), 'diskFault')
    assert.equal(errorNameOfErrno('EIO', 'datasync'), 'syncFailed')
    assert.equal(errorNameOfErrno('EIO', 'syncDirectory'), 'syncFailed')
    assert.equal(errorNameOfErrno('ENOSPC', 'datasync'), 'diskFull')
  })

  it('never guesses: an unknown errno is an internal error', () => {
    for (const errno of ['EWHATEVER', '', 'toString', '__proto__'])
      assert.equal(errorNameOfErrno(errno), 'internalError')
  })
})
