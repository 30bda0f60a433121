/** Histories of the keys' clients broken by hand: what a store that lies would have answered. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { KeyHistory } from './key-history.ts'
import { EXPIRED, type KeyOperation } from './key-model.ts'

const KEYS = 3

type Told = readonly [client: string, operation: KeyOperation, answer: string | null]

/** One call after the other; null: no answer ever came. */
function verdictOf(...calls: readonly Told[]): string {
  const history = new KeyHistory(KEYS, () => 0)
  for (const [client, operation, answer] of calls) {
    const invocation = history.invoke(client, operation)
    if (answer === null) invocation.unknown()
    else invocation.answered(answer)
  }
  return history.check()
}

function set(value: string, expires = 0): KeyOperation {
  return { kind: 'set', writes: [[0, value]], ifAbsent: false, expires, answersOld: false }
}

const get: KeyOperation = { kind: 'get', keys: [0] }
const getCounter: KeyOperation = { kind: 'get', keys: [2] }
const increment: KeyOperation = { kind: 'increment', key: 2, by: 1 }
const append = (value: string): KeyOperation => ({ kind: 'append', key: 1, value })
const getText: KeyOperation = { kind: 'get', keys: [1] }
/** The store's own doing; nobody is told. */
const expire = (expires: number): Told => ['store', { kind: 'expire', keys: [0, 1], expires }, null]
/** By then it must have been done. */
const expired = (expires: number): Told => ['store', { kind: 'expire', keys: [0, 1], expires }, EXPIRED]

describe('a history is explained only by a store that keeps its word', () => {
  test('a stale read', () => {
    const calls: Told[] = [
      ['a', set('x1/0;'), 'OK'],
      ['a', set('x2/0;'), 'OK'],
    ]
    assert.equal(verdictOf(...calls, ['b', get, '"x2/0;"']), 'linearizable')
    assert.equal(verdictOf(...calls, ['b', get, '"x1/0;"']), 'violated')
  })

  test('a transaction that overlooked what another client did after WATCH', () => {
    const transaction = (seen: string): KeyOperation => ({
      kind: 'transaction',
      watched: 0,
      seen,
      steps: [set('t/0;'), get, increment],
    })
    const before: Told[] = [
      ['a', set('x/0;'), 'OK'],
      ['b', get, '"x/0;"'],
    ]
    const done = 'OK "t/0;" 1'
    assert.equal(
      verdictOf(...before, ['b', transaction('"x/0;"'), done], ['a', get, '"t/0;"']),
      'linearizable',
    )
    const between: Told[] = [...before, ['a', set('y/0;'), 'OK']]
    assert.equal(verdictOf(...between, ['b', transaction('"x/0;"'), done]), 'violated')
    assert.equal(
      verdictOf(...between, ['b', transaction('"x/0;"'), 'nil'], ['a', get, '"y/0;"']),
      'linearizable',
    )
    assert.equal(verdictOf(...between, ['b', transaction('"x/0;"'), 'nil'], ['a', get, '"t/0;"']), 'violated')
    // Half of it, or one of its reads from another moment.
    assert.equal(
      verdictOf(...before, ['b', transaction('"x/0;"'), done], ['a', getCounter, 'nil']),
      'violated',
    )
    assert.equal(verdictOf(...before, ['b', transaction('"x/0;"'), 'OK "x/0;" 1']), 'violated')
  })

  test('a value that was renamed or copied, with its expiry', () => {
    const rename: KeyOperation = { kind: 'rename', from: 0, to: 1 }
    const copy: KeyOperation = { kind: 'copy', from: 0, to: 1 }
    const made: Told = ['a', set('x/0;', 7), 'OK']
    assert.equal(
      verdictOf(made, ['a', rename, 'OK'], ['b', get, 'nil'], ['b', getText, '"x/0;"']),
      'linearizable',
    )
    assert.equal(verdictOf(made, ['a', rename, 'OK'], ['b', get, '"x/0;"']), 'violated')
    assert.equal(verdictOf(['a', rename, 'ERR no such key'], made, ['a', copy, '1']), 'linearizable')
    assert.equal(verdictOf(made, ['a', copy, '0']), 'violated')
    assert.equal(verdictOf(made, ['a', rename, 'OK'], ['b', getText, 'nil']), 'violated')
    assert.equal(
      verdictOf(made, expire(7), ['a', copy, '1'], ['b', getText, 'nil'], ['b', get, 'nil']),
      'linearizable',
    )
  })

  test('a lost write', () => {
    assert.equal(verdictOf(['a', set('x/0;'), 'OK'], ['b', get, 'nil']), 'violated')
    assert.equal(verdictOf(['a', set('x/0;'), null], ['b', get, 'nil']), 'linearizable')
  })

  test('an effect that takes place twice', () => {
    assert.equal(verdictOf(['a', increment, '1'], ['b', getCounter, '"1"']), 'linearizable')
    assert.equal(verdictOf(['a', increment, '1'], ['b', getCounter, '"2"']), 'violated')
    assert.equal(verdictOf(['a', increment, null], ['b', getCounter, '"2"']), 'violated')
    const doubled: Told[] = [
      ['a', append('x/0;'), null],
      ['b', getText, '"x/0;x/0;"'],
    ]
    assert.equal(verdictOf(...doubled), 'violated')
  })

  test('a write of unknown outcome that was read, and is gone', () => {
    const read: Told[] = [
      ['a', set('x/0;'), null],
      ['b', get, '"x/0;"'],
    ]
    assert.equal(verdictOf(...read, ['c', get, '"x/0;"']), 'linearizable')
    assert.equal(verdictOf(...read, ['c', get, 'nil']), 'violated')
  })

  test('a write that half happened', () => {
    const both: KeyOperation = {
      ...set('x/0;'),
      kind: 'set',
      writes: [
        [0, 'x/0;'],
        [1, 'y/0;'],
      ],
    } as KeyOperation
    const read: KeyOperation = { kind: 'get', keys: [0, 1] }
    assert.equal(verdictOf(['a', both, null], ['b', read, '"x/0;" "y/0;"']), 'linearizable')
    assert.equal(verdictOf(['a', both, null], ['b', read, '"x/0;" nil']), 'violated')
  })

  test('a key that expires: only once it is due, only the value that was to expire, and for good', () => {
    const due = 1_000_005
    const written: Told[] = [['a', set('x/0;', due), 'OK']]
    assert.equal(verdictOf(...written, ['b', get, 'nil']), 'violated', 'not due')
    assert.equal(verdictOf(...written, expire(due), ['b', get, 'nil']), 'linearizable')
    assert.equal(verdictOf(...written, expire(due), ['b', get, '"x/0;"']), 'linearizable', 'late is allowed')
    const gone: Told[] = [...written, expire(due), ['b', get, 'nil']]
    assert.equal(verdictOf(...gone, ['b', get, '"x/0;"']), 'violated', 'it came back')
    const replaced: Told[] = [...written, ['a', set('y/0;'), 'OK'], expire(due)]
    assert.equal(verdictOf(...replaced, ['b', get, 'nil']), 'violated', 'another value was to expire')
  })

  test('a key that outlives its time', () => {
    const due = 1_000_005
    const written: Told[] = [['a', set('x/0;', due), 'OK']]
    assert.equal(verdictOf(...written, expired(due), ['b', get, 'nil']), 'linearizable')
    assert.equal(verdictOf(...written, expired(due), ['b', get, '"x/0;"']), 'violated')
    const rename: KeyOperation = { kind: 'rename', from: 0, to: 1 }
    const moved: Told[] = [...written, ['a', rename, 'OK'], expired(due)]
    assert.equal(verdictOf(...moved, ['b', getText, 'nil']), 'linearizable')
    assert.equal(verdictOf(...moved, ['b', getText, '"x/0;"']), 'violated', 'it takes its expiry along')
    const replaced: Told[] = [...written, ['a', set('y/0;'), 'OK'], expired(due)]
    assert.equal(verdictOf(...replaced, ['b', get, '"y/0;"']), 'linearizable', 'another value was to expire')
  })
})
