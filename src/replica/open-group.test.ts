import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SILENT_LOGGER } from '../../sim/log/log-workload.ts'
import { makeGroupId, makeReplicaId } from '../base/ids.ts'
import {
  type Entry,
  EntryKind,
  type HardState,
  type LogPosition,
  makeLogIndex,
  makeTerm,
} from '../base/log-entry.ts'
import type { Engine } from '../env/engine.ts'
import { createRaft } from '../raft/create-raft.ts'
import type { Membership } from '../raft/membership.ts'
import { encodeMembership } from '../raft/membership-codec.ts'
import type { LogDamage, RecoveredGroup } from '../storage/log/shared-log.ts'
import { createMemoryEngineStore } from '../storage/memory-engine.ts'
import { DEFAULT_GROUP_OPTIONS } from './group-options.ts'
import {
  createDoubtfulState,
  createGroupState,
  groupEngineName,
  groupOfEngine,
  type OpenedState,
  recoverGroupState,
} from './open-group.ts'
import { APPLIED_KEY, type AppliedRecord, encodeApplied, makeEngineKeys } from './state/engine-records.ts'

const GROUP = makeGroupId(3)
const SELF = makeReplicaId(1)
const THREE: Membership = {
  voters: [1, 2, 3].map(makeReplicaId),
  votersOutgoing: [],
  learners: [],
  learnersNext: [],
}
const ALONE: Membership = { ...THREE, voters: [SELF] }
const EPOCHS = { data: 5, meta: 4 }

function at(index: number, term = 1): LogPosition {
  return { index: makeLogIndex(index), term: makeTerm(term) }
}

function entriesOf(from: number, to: number, term = 1): Entry[] {
  const entries: Entry[] = []
  for (let index = from; index <= to; index++) {
    entries.push({ ...at(index, term), kind: EntryKind.empty, payload: new Uint8Array(0) })
  }
  return entries
}

function found(
  base: LogPosition,
  entries: readonly Entry[],
  more: { hardState?: Partial<HardState>; damage?: Partial<LogDamage>; membership?: Uint8Array } = {},
): RecoveredGroup {
  const hardState = { term: makeTerm(7), vote: SELF, commit: makeLogIndex(0), ...more.hardState }
  const rot = { path: 'log/1', offset: 0, lastSyncedIndex: null, isVoteLost: true, detail: 'rot' }
  const damage = { ...rot, ...more.damage }
  return {
    group: GROUP,
    hardState,
    base,
    membership: more.membership ?? encodeMembership(THREE),
    entries,
    damage: more.damage === undefined ? null : damage,
  }
}

function appliedAt(index: number, term = 1): AppliedRecord {
  const position = at(index, term)
  return { position, timeMs: 9, machineVersion: 1, epochs: EPOCHS, membership: encodeMembership(THREE) }
}

async function engineWith(applied: AppliedRecord | null, isFromSnapshot = false): Promise<Engine> {
  const engine = await createMemoryEngineStore().open('e')
  if (applied === null) return engine
  const put = (epochs: typeof EPOCHS, key: string): { kind: 'put'; key: string; value: string } => ({
    kind: 'put',
    key: makeEngineKeys(epochs).of(key),
    value: key,
  })
  await engine.write([
    { kind: 'put', key: APPLIED_KEY, value: encodeApplied(applied, isFromSnapshot) },
    put(EPOCHS, 'current'),
    put(EPOCHS, '\x00current'),
    put({ data: 4, meta: 3 }, 'cleared'),
    put({ data: 6, meta: 6 }, 'half received'),
    put({ data: 6, meta: 6 }, '\x00half received'),
  ])
  return engine
}

async function recordsOf(engine: Engine): Promise<string[]> {
  const all = await engine.range({ from: '\x00', to: '\xff', limit: 100 })
  return all.filter(({ key }) => key !== APPLIED_KEY).map(({ value }) => value)
}

/** What was opened must be what consensus can start from. */
function start(state: OpenedState) {
  const raft = createRaft({ id: SELF, ...DEFAULT_GROUP_OPTIONS, random: () => 0.5 }, state.raft)
  raft.checkInvariants()
  assert.equal(
    state.applied.position.index,
    state.raft.applied,
    'engine and consensus agree on what is applied',
  )
  return raft
}

const recover = (engine: Engine, group: RecoveredGroup): Promise<OpenedState> =>
  recoverGroupState(engine, group, SELF, SILENT_LOGGER)

test('a new group starts from nothing, whatever an earlier life left in its folder', async () => {
  const engine = await engineWith(appliedAt(50))
  const state = await createGroupState(engine, GROUP, THREE)
  assert.deepEqual(await engine.range({ from: '\x00', to: '\xff', limit: 10 }), [])
  assert.equal(state.raft.mayVoteFrom, null)
  assert.deepEqual(
    state.logRepair.map((record) => record.kind),
    ['base'],
  )
  assert.equal(start(state).lastIndex, 0)
})

test('a new group on a node whose log has lost something of groups that can not be told does not vote at once', async () => {
  const loss = { path: 'log/3', offset: 0, lastSyncedIndex: null, isVoteLost: true, detail: 'it is gone' }
  const state = await createDoubtfulState(await engineWith(appliedAt(50)), GROUP, loss)
  assert.deepEqual(
    state.logRepair.map((record) => record.kind),
    ['base', 'damaged'],
  )
  const raft = start(state)
  assert.equal(raft.isRepairing, true)
  raft.campaign()
  assert.equal(raft.role, 'follower')
})

test('log ahead of the engine: the entries between are applied again, garbage is removed', async () => {
  const engine = await engineWith(appliedAt(12))
  const state = await recover(
    engine,
    found(at(10), entriesOf(11, 20), { hardState: { commit: makeLogIndex(15) } }),
  )
  assert.deepEqual(state.logRepair, [])
  assert.equal(state.raft.mayVoteFrom, null)
  const raft = start(state)
  assert.equal(raft.lastIndex, 20)
  assert.deepEqual(
    raft.takeReady().committed.map((entry) => entry.index as number),
    [13, 14, 15],
  )
  assert.deepEqual(await recordsOf(engine), ['current', '\x00current'])
})

test('engine exactly at the base, and no engine under a log that begins at the start: all is applied again', async () => {
  const atBase = await recover(await engineWith(appliedAt(10)), found(at(10), entriesOf(11, 12)))
  assert.equal(start(atBase).lastIndex, 12)
  const fresh = await recover(await engineWith(null), found(at(0, 0), entriesOf(1, 12)))
  assert.equal(start(fresh).lastIndex, 12)
  assert.equal(fresh.applied.position.index, 0)
  assert.equal(fresh.raft.mayVoteFrom, null)
})

test('engine ahead of the log (a crash while a snapshot was installed): the log starts anew behind it', async () => {
  const state = await recover(await engineWith(appliedAt(30, 6), true), found(at(10), entriesOf(11, 20)))
  const [base] = state.logRepair
  assert(base?.kind === 'base' && base.discardsTail)
  assert.deepEqual(base.position, at(30, 6))
  const raft = start(state)
  assert.equal(raft.lastIndex, 30)
  assert.equal(state.raft.mayVoteFrom, null)
  assert.deepEqual(state.raft.membership, THREE)
  assert.equal(state.raft.hardState.term, 7, 'term and vote are kept')
})

test('engine ahead of the log: its state is durable before the log starts anew behind it', async () => {
  // A crash keeps nothing of what was not persisted.
  const store = createMemoryEngineStore({ random: { u32: () => 0, next: () => 0 } })
  const engine = await store.open('group-1')
  await engine.write([{ kind: 'put', key: APPLIED_KEY, value: encodeApplied(appliedAt(30, 6)) }])
  const state = await recover(engine, found(at(10), entriesOf(11, 20)))
  assert.deepEqual(state.raft.base, at(30, 6))
  store.crash()
  const [applied] = await (await store.open('group-1')).getMany([APPLIED_KEY])
  assert(applied !== null && applied !== undefined, 'the log has nothing before entry 31, and now nobody has')
})

test('an entry of another term at the applied index is not what was applied', async () => {
  const state = await recover(await engineWith(appliedAt(15, 6), true), found(at(10), entriesOf(11, 20)))
  assert.deepEqual(state.raft.base, at(15, 6))
  assert.deepEqual(state.raft.entries, [])
  start(state)
})

for (const [what, applied] of [
  ['ends before what was applied', appliedAt(30, 6)],
  ['has another entry than was applied', appliedAt(15, 6)],
] as const) {
  test(`a log that ${what}, although nothing in it is damaged, lost its tail, and perhaps a vote`, async () => {
    const state = await recover(await engineWith(applied), found(at(10), entriesOf(11, 20)))
    assert.equal(state.raft.mayVoteFrom, Math.max(20, applied.position.index))
    assert.equal(state.raft.isVoteLost, true)
    assert.equal(start(state).isRepairing, true)
    const [base, damaged, ...rest] = state.logRepair
    assert(base?.kind === 'base' && base.position.index === applied.position.index)
    assert(damaged?.kind === 'damaged' && damaged.damage.isVoteLost, 'every later start knows it')
    assert.deepEqual(rest, [])
  })
}

test('a log that has its base record again is measured against the state that a snapshot left', async () => {
  const engine = await engineWith(appliedAt(30, 7), true)
  const state = await recover(engine, found(at(30), []))
  assert.deepEqual(state.logRepair, [])
  const shorter = await recover(engine, found(at(10), entriesOf(11, 20)))
  assert.equal(shorter.raft.isVoteLost, true)
})

for (const [what, applied] of [
  ['missing', null],
  ['behind the start of the log', appliedAt(5)],
] as const) {
  test(`engine ${what}: starts empty, and counts for nobody, now and after every restart`, async () => {
    const engine = await engineWith(applied)
    const state = await recover(
      engine,
      found(at(10), entriesOf(11, 20), { hardState: { commit: makeLogIndex(18) } }),
    )
    assert.deepEqual(await engine.range({ from: '\x00', to: '\xff', limit: 10 }), [], 'nothing stale is left')
    assert.equal(state.raft.mayVoteFrom, 20)
    const raft = start(state)
    assert.equal(raft.isRepairing, true)
    assert.equal(raft.lastIndex, 0)
    assert.deepEqual(
      state.logRepair.map((record) => record.kind),
      ['dropGroup', 'base', 'hardState', 'damaged'],
    )
    const [, , hardState] = state.logRepair
    assert(hardState?.kind === 'hardState' && hardState.hardState.vote === SELF, 'a vote is never forgotten')
  })
}

test('a sole voter without its engine has nobody to ask: nothing is thrown away', async () => {
  const engine = await engineWith(appliedAt(5))
  const alone = found(at(10), entriesOf(11, 20), { membership: encodeMembership(ALONE) })
  await assert.rejects(recover(engine, alone), /only one|engine/)
  assert.deepEqual((await recordsOf(engine)).includes('current'), true)
})

test('a damaged log: the replica counts for nobody, and keeps what it has', async () => {
  const damage = { lastSyncedIndex: makeLogIndex(25) }
  const covered = await recover(await engineWith(appliedAt(12)), found(at(10), entriesOf(11, 20), { damage }))
  assert.equal(covered.raft.mayVoteFrom, 25)
  assert.equal(start(covered).isRepairing, true)
  const beyond = await recover(await engineWith(appliedAt(30)), found(at(10), entriesOf(11, 20), { damage }))
  assert.equal(beyond.raft.mayVoteFrom, 30)
  assert.deepEqual(beyond.raft.base, at(30))
  assert.equal(start(beyond).isRepairing, true)
  const unknown = await recover(
    await engineWith(appliedAt(12)),
    found(at(10), entriesOf(11, 20), { damage: {} }),
  )
  assert.equal(unknown.raft.mayVoteFrom, 21, 'one more than is left, at least')
})

test('a log that lost even its base: with a state it goes on behind it, without one it starts empty', async () => {
  const lost = found(at(0, 0), [], { damage: {}, membership: new Uint8Array(0) })
  const withState = await recover(await engineWith(appliedAt(12)), lost)
  assert.deepEqual(withState.raft.base, at(12))
  assert.equal(start(withState).isRepairing, true)
  const without = await recover(await engineWith(null), lost)
  assert.equal(start(without).isRepairing, true)
})

test('a whole log always names its members', async () => {
  const nameless = found(at(0, 0), [], { membership: new Uint8Array(0) })
  await assert.rejects(recover(await engineWith(null), nameless), /names its members/)
})

test('folders of engines are told by their names', () => {
  assert.equal(groupOfEngine(groupEngineName(GROUP)), GROUP)
  assert.equal(groupOfEngine('group-'), null)
  assert.equal(groupOfEngine('group-1x'), null)
  assert.equal(groupOfEngine('lost+found'), null)
})
