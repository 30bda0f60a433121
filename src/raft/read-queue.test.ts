import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ReplicaId } from '../base/ids.ts'
import type { LogIndex } from '../base/log-entry.ts'
import { ForwardedReads, ReadQueue } from './read-queue.ts'

const from = 1 as ReplicaId
const at = (index: number): LogIndex => index as LogIndex

test('reads are released by their round, in order', () => {
  const queue = new ReadQueue()
  queue.push({ from, context: 1 }, at(5), 1)
  queue.push({ from, context: 2 }, at(5), 1)
  queue.push({ from, context: 3 }, at(7), 2)
  assert.deepEqual(queue.takeAnswered(0), [])
  assert.deepEqual(
    queue.takeAnswered(1).map((read) => [read.context, read.index]),
    [
      [1, 5],
      [2, 5],
    ],
  )
  assert.deepEqual(
    queue.takeAll().map((read) => read.context),
    [3],
  )
  assert(queue.isIdle)
})

test('early reads are asked again, or dropped with the rest', () => {
  const queue = new ReadQueue()
  queue.pushEarly({ from, context: 1 })
  assert.equal(queue.takeEarly().length, 1)
  assert.equal(queue.takeEarly().length, 0)
  queue.pushEarly({ from, context: 2 })
  assert.deepEqual(
    queue.takeAll().map((read) => read.context),
    [2],
  )
})

test('a batch is answered once; an unknown one never', () => {
  const reads = new ForwardedReads(100)
  reads.push(1)
  reads.push(2)
  const batch = reads.send(3)
  assert(batch > 100)
  assert.deepEqual(reads.takeBatch(batch + 1), [])
  assert.deepEqual(reads.takeBatch(batch), [1, 2])
  assert.deepEqual(reads.takeBatch(batch), [])
})

test('a batch without an answer is given up, and all are when the leader goes', () => {
  const reads = new ForwardedReads(0)
  reads.push(1)
  reads.send(2)
  assert.deepEqual(reads.tick(), [])
  assert.deepEqual(reads.tick(), [1])
  reads.push(2)
  reads.send(2)
  reads.push(3)
  assert.deepEqual(reads.takeAll(), [2, 3])
  assert(!reads.hasUnsent)
})
