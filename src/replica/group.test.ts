import assert from 'node:assert/strict'
import { test } from 'node:test'
import { freshStore, HandClock, recordingLogger } from '../../test/replica-parts.ts'
import { createTinyMachine, type TinyCommand } from '../../test/tiny-machine.ts'
import { makeGroupId, makeReplicaId } from '../base/ids.ts'
import { makeLogIndex, makeTerm } from '../base/log-entry.ts'
import type { Raft } from '../raft/raft.ts'
import { createMemoryEngineStore } from '../storage/memory-engine.ts'
import { Group } from './group.ts'
import { DEFAULT_GROUP_OPTIONS } from './group-options.ts'

const SELF = makeReplicaId(1)
const OTHER = makeReplicaId(2)

/** Counts the turns that somebody asked for. */
class CountingClock extends HandClock {
  turns = 0

  override endOfTurn(run: () => void): void {
    this.turns += 1
    super.endOfTurn(run)
  }
}

/** A core that does what the test says: what else than `Ready` a tick brings is the question here. */
function makeCore(isRepairing: boolean) {
  const core = {
    id: SELF,
    role: 'leader',
    term: makeTerm(1),
    leader: SELF,
    logBytes: 0,
    isRepairing,
    status: () => ({
      persistedIndex: core.lastIndex,
      membership: { voters: [SELF, OTHER] },
      progress: new Map([[OTHER, { match: 7, recentlyActive: true }]]),
      commit: 7,
    }),
    offeredTo: [] as number[],
    transferLeadership: (to: number) => core.offeredTo.push(to) > 0,
    lastIndex: makeLogIndex(7),
    ticks: 0,
    isReady: false,
    takesProposals: true,
    proposals: 0,
    cuts: 0,
    tick: () => {
      core.ticks += 1
    },
    hasReady: () => core.isReady,
    takeReady: () => {
      core.isReady = false
      return {
        number: 1,
        hardState: null,
        entries: [],
        snapshot: null,
        messages: [],
        messagesAfterPersist: [],
        committed: [],
        reads: [],
        snapshotsToSend: [],
        droppedReads: [],
      }
    },
    persisted: () => undefined,
    propose: () => {
      if (core.role !== 'leader') return { kind: 'notLeader', leader: OTHER }
      if (!core.takesProposals) return { kind: 'refused', reason: 'transferring' }
      core.proposals += 1
      return { kind: 'accepted', position: { term: core.term, index: makeLogIndex(8) } }
    },
    compactionPoint: () => {
      core.cuts += 1
      return null
    },
  }
  return core
}

async function makeGroup(isRepairing = false, persist: (() => Promise<void>) | null = null) {
  const core = makeCore(isRepairing)
  const clock = new CountingClock()
  const opened = await createMemoryEngineStore().open('e')
  const engine = persist === null ? opened : { ...opened, persist }
  const changes: string[] = []
  const group = new Group<TinyCommand, string>(
    {
      id: makeGroupId(1),
      raft: core as unknown as Raft,
      machine: createTinyMachine(),
      advanceTime: null,
      engine,
      makeStore: (callbacks) => freshStore(engine, {}, callbacks),
    },
    {
      clock,
      random: { u32: () => 1, next: () => 0.5 } as never,
      logger: recordingLogger([]),
      log: {} as never,
      transport: {} as never,
      incarnation: 1,
    },
    { ...DEFAULT_GROUP_OPTIONS, logBytesMax: 1_000 },
    {
      onHealth: () => undefined,
      onChange: () => changes.push(`${core.role} ${core.term}`),
      onApplied: () => undefined,
      onDigest: () => undefined,
      onLogFailure: () => undefined,
    },
  )
  group.schedule()
  clock.endTurn()
  clock.turns = 0
  return { group, core, clock, changes }
}

test('a tick that changed nothing asks for no turn', async () => {
  const { group, core, clock } = await makeGroup()
  for (let count = 0; count < 50; count++) group.tick()
  assert.equal(core.ticks, 50)
  assert.equal(clock.turns, 0)
  core.isReady = true
  group.tick()
  group.tick()
  assert.equal(clock.turns, 1)
  clock.endTurn()
  assert.equal(core.isReady, false)
})

test('damage that was known before stops a reopened replica only when it has grown', async () => {
  const damage = { path: 'log/1', offset: 0, lastSyncedIndex: null, isVoteLost: false, detail: 'rotten' }
  const cases = [
    { isRepairing: true, damage, lastIndex: 7, health: 'healthy' },
    { isRepairing: true, damage, lastIndex: 6, health: 'failed' },
    { isRepairing: false, damage, lastIndex: 7, health: 'failed' },
    { isRepairing: false, damage: null, lastIndex: 7, health: 'healthy' },
  ]
  for (const { isRepairing, health, ...found } of cases) {
    const { group } = await makeGroup(isRepairing)
    group.resumeLog(found)
    assert.equal(group.health.kind, health, JSON.stringify(found))
  }
})

test('proposals that were refused for the time of a transfer are proposed by the tick that ends it', async () => {
  const { group, core, clock } = await makeGroup()
  core.takesProposals = false
  group.propose({ kind: 'set', key: 'a', value: '1' }, 10, {
    reply: () => {},
    fail: ({ kind }) => assert.fail(kind),
  })
  clock.endTurn()
  group.tick()
  clock.endTurn()
  assert.equal(core.proposals, 0)
  core.takesProposals = true
  group.tick()
  clock.endTurn()
  assert.equal(core.proposals, 1)
  clock.turns = 0
  group.tick()
  assert.equal(clock.turns, 0)
})

test('a tick after which another leads, or nobody, is told', async () => {
  const { group, core, clock, changes } = await makeGroup()
  core.role = 'follower'
  core.leader = null as never
  group.tick()
  clock.endTurn()
  core.term = makeTerm(2)
  group.tick()
  clock.endTurn()
  group.tick()
  clock.endTurn()
  assert.deepEqual(changes, ['leader 1', 'follower 1', 'follower 2'])
})

test('a log that is too long is cut when the pause after the last cut is over, though nothing happens', async () => {
  const { group, core, clock } = await makeGroup()
  const settled = () => new Promise((resolve) => setImmediate(resolve))
  core.logBytes = 2_000
  group.tick()
  clock.endTurn()
  await settled()
  assert.equal(core.cuts, 1)
  group.tick()
  clock.endTurn()
  await settled()
  assert.equal(core.cuts, 1)
  clock.monotonic += 1_000
  group.tick()
  clock.endTurn()
  await settled()
  assert.equal(core.cuts, 2)
})

test('a look at the state as it is costs no turn of the group and no round', async () => {
  const { group, clock } = await makeGroup()
  const answers: unknown[] = []
  group.peek(
    { kind: 'get', key: 'a' },
    { reply: (reply) => answers.push(reply), fail: ({ kind }) => assert.fail(kind) },
  )
  assert.equal(answers.length, 0, 'never inside the call')
  clock.endTurn()
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(answers.length, 1)
  await group.stop()
  group.peek(
    { kind: 'get', key: 'a' },
    { reply: () => assert.fail('stopped'), fail: ({ kind }) => answers.push(kind) },
  )
  clock.endTurn()
  assert.deepEqual(answers.at(-1), 'unhealthy')
})

test('an engine that never persists: writes wait, leadership is offered, and who is deposed tells them', async () => {
  const { group, core, clock } = await makeGroup(false, () => new Promise(() => undefined))
  core.logBytes = 3_000
  group.schedule()
  clock.endTurn()
  const told: string[] = []
  const responder = { reply: () => undefined, fail: ({ kind }: { kind: string }) => told.push(kind) }
  group.propose({ kind: 'count' }, 10, responder)
  clock.endTurn()
  assert.equal(core.proposals, 0)
  for (let count = 0; count < 102; count++) group.tick()
  clock.endTurn()
  assert.deepEqual([core.offeredTo, core.proposals, told], [[2], 0, []])
  core.role = 'follower'
  group.tick()
  clock.endTurn()
  assert.deepEqual(told, ['notLeader'])
})
