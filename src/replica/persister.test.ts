import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makeGroupId } from '../base/ids.ts'
import { EntryKind, makeLogIndex, makeTerm } from '../base/log-entry.ts'
import type { Ready } from '../raft/raft.ts'
import type { LogRecord, SharedLog } from '../storage/log/shared-log.ts'
import { Persister } from './persister.ts'

const GROUP = makeGroupId(1)

/** A log whose appends wait until the test says what became of them. */
function makeWorld() {
  const appends: { readonly records: readonly LogRecord[]; readonly onDurable: (error?: Error) => void }[] =
    []
  const events: string[] = []
  const log = {
    append: (records: readonly LogRecord[], onDurable: (error?: Error) => void) => {
      appends.push({ records, onDurable })
    },
  } as unknown as SharedLog
  const persister = new Persister(GROUP, log, (error) => events.push(`failed: ${error.message}`))
  return {
    appends,
    events,
    persister,
    persist: (index: number | null) =>
      persister.persist(readyOf(index), () => events.push(index === null ? 'nothing' : `durable ${index}`)),
    indexes: () => appends.map(({ records }) => records.map((record) => indexOf(record))),
  }
}

function indexOf(record: LogRecord): number | string {
  return record.kind === 'entries' ? (record.entries[0]?.index ?? 0) : record.kind
}

function readyOf(index: number | null): Ready {
  const entry = { term: makeTerm(1), kind: EntryKind.empty, payload: new Uint8Array(0) }
  return {
    number: 1,
    hardState: null,
    entries: index === null ? [] : [{ ...entry, index: makeLogIndex(index) }],
    snapshot: null,
    messages: [],
    messagesAfterPersist: [],
    committed: [],
    reads: [],
    snapshotsToSend: [],
    droppedReads: [],
  }
}

test('what is durable is reported in order; what had nothing to write waits for what came before', () => {
  const world = makeWorld()
  world.persist(null)
  assert.deepEqual(world.events, ['nothing'], 'nothing to wait for')
  world.persist(1)
  world.persist(null)
  world.persist(2)
  assert.deepEqual(world.events, ['nothing'])
  world.appends[0]?.onDurable()
  assert.deepEqual(world.events, ['nothing', 'durable 1', 'nothing'])
  world.appends[1]?.onDurable()
  assert.deepEqual(world.events.at(-1), 'durable 2')
})

test('one failure is told once, and nothing is reported durable after it', () => {
  const world = makeWorld()
  world.persist(1)
  world.persist(2)
  for (const { onDurable } of world.appends) onDurable(new Error('EIO'))
  world.persist(3)
  world.persist(null)
  assert.deepEqual(world.events, ['failed: EIO'])
  assert.equal(world.appends.length, 2, 'nothing more is appended to a failed log')
  assert.equal(world.persister.hasFailed, true)
})

test('after the log was reopened exactly what was not durable is appended again, in order', () => {
  const world = makeWorld()
  for (const index of [1, 2, 3]) world.persist(index)
  world.appends[0]?.onDurable()
  world.appends[1]?.onDurable(new Error('EIO'))
  world.appends[2]?.onDurable(new Error('EIO'))
  world.persist(4)
  world.persister.markRepaired(() => world.events.push('repaired'))
  world.persister.resume()
  assert.deepEqual(world.indexes().slice(3), [[2], [3], [4], ['repaired']])
  for (const { onDurable } of world.appends.slice(3)) onDurable()
  assert.deepEqual(world.events, [
    'durable 1',
    'failed: EIO',
    'durable 2',
    'durable 3',
    'durable 4',
    'repaired',
  ])
})

test('answers of the abandoned file that come late mean nothing', () => {
  const world = makeWorld()
  world.persist(1)
  world.persist(2)
  world.appends[0]?.onDurable(new Error('EIO'))
  world.persister.resume()
  world.appends[1]?.onDurable(new Error('EIO'))
  assert.deepEqual(world.events, ['failed: EIO'])
  assert.equal(world.persister.hasFailed, false)
  world.appends[2]?.onDurable()
  world.appends[3]?.onDurable(new Error('again'))
  assert.deepEqual(world.events, ['failed: EIO', 'durable 1', 'failed: again'])
})

test('a snapshot, entries and hard state of one Ready are one append: base first', () => {
  const world = makeWorld()
  const position = { term: makeTerm(2), index: makeLogIndex(9) }
  const membership = { voters: [], votersOutgoing: [], learners: [], learnersNext: [] }
  const hardState = { term: makeTerm(2), vote: null, commit: makeLogIndex(9) }
  world.persister.persist({ ...readyOf(10), snapshot: { position, membership }, hardState }, () => undefined)
  assert.deepEqual(world.indexes(), [['base', 10, 'hardState']])
  const [base] = world.appends[0]?.records ?? []
  assert(base?.kind === 'base' && base.discardsTail && base.position === position)
  world.persister.setBase(position, Uint8Array.of(1))
  const [cut] = world.appends[1]?.records ?? []
  assert(cut?.kind === 'base' && !cut.discardsTail)
})
