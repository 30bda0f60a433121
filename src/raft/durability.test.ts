import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ReplicaId } from '../base/ids.ts'
import type { LogIndex, Term } from '../base/log-entry.ts'
import { Durability } from './durability.ts'

const at = (index: number): LogIndex => index as LogIndex
const term = (value: number): Term => value as Term
const fresh = (lastIndex: number): Durability =>
  new Durability(at(lastIndex), { term: term(1), vote: null, commit: at(0) })

test('writes become durable in order, several at once', () => {
  const durability = fresh(0)
  durability.handOut(1, at(2), term(1), null)
  durability.handOut(2, null, term(1), null)
  durability.handOut(3, at(5), term(1), null)
  assert.equal(durability.persistedIndex, 0)
  durability.persisted(1)
  assert.equal(durability.persistedIndex, 2)
  durability.persisted(3)
  assert.equal(durability.persistedIndex, 5)
  assert.equal(durability.inFlightCount, 0)
  assert.throws(() => durability.persisted(2), /after 3/)
})

test('an entry that was overwritten and restored is durable only with its last write', () => {
  const durability = fresh(2)
  durability.handOut(1, at(3), term(1), null) // entry 3 of term 1
  durability.truncateFrom(at(3))
  durability.handOut(2, at(3), term(2), null) // entry 3 of term 2
  durability.truncateFrom(at(3))
  durability.handOut(3, at(4), term(3), null) // entry 3 of term 1 again, and 4
  durability.persisted(1)
  assert.equal(durability.persistedIndex, 2, 'the second write may still replace it')
  durability.persisted(2)
  assert.equal(durability.persistedIndex, 2)
  durability.persisted(3)
  assert.equal(durability.persistedIndex, 4)
})

test('truncating takes back what was durable and what was handed out', () => {
  const durability = fresh(9)
  durability.truncateFrom(at(5))
  assert.equal(durability.persistedIndex, 4)
  assert.equal(durability.handedOutIndex, 4)
})

test('a snapshot makes nothing durable before it is written, and keeps what was committed', () => {
  const durability = fresh(9)
  durability.handOut(1, at(12), term(1), null)
  durability.discard(at(20), at(7))
  assert.equal(durability.persistedIndex, 7)
  assert.equal(durability.handedOutIndex, 20)
  durability.persisted(1)
  assert.equal(durability.persistedIndex, 7)
  durability.handOut(2, at(20), term(1), null)
  durability.persisted(2)
  assert.equal(durability.persistedIndex, 20)
})

test('a vote is kept once its write is', () => {
  const durability = fresh(0)
  const candidate = 3 as ReplicaId
  durability.handOut(1, null, term(2), candidate)
  assert(!durability.hasVote(term(2), candidate))
  durability.persisted(1)
  assert(durability.hasVote(term(2), candidate))
  assert(!durability.hasVote(term(1), candidate))
})
