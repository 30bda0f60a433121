/**
 * Drives a shared log on a simulated disk at random, and knows what it must hold afterwards.
 *
 * The log is one sequence for all groups, so what is found after a crash must be exactly the state
 * after one of the appends between the last acknowledged and the last made. After a failure and
 * `reopen` it must be the state after the last acknowledged one, neither more nor less.
 */
import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { crc32 } from '../../src/base/checksum.ts'
import type { GroupId, ReplicaId } from '../../src/base/ids.ts'
import type { Entry, EntryKind, HardState, LogIndex, LogPosition, Term } from '../../src/base/log-entry.ts'
import type { Clock } from '../../src/env/clock.ts'
import type { Logger } from '../../src/env/logger.ts'
import { openSharedLog } from '../../src/storage/log/open-shared-log.ts'
import type { LogRecord, RecoveredGroup, SharedLog } from '../../src/storage/log/shared-log.ts'
import type { SimDisk } from '../disk/disk.ts'
import type { SimRandom } from '../world/random.ts'

export const STILL_CLOCK: Clock = {
  wallMs: () => 0,
  monotonicMs: () => 0,
  setTimer: () => ({ cancel: () => undefined }),
  endOfTurn: (run) => queueMicrotask(run),
}

export const SILENT_LOGGER: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warning: () => undefined,
  error: () => undefined,
  with: () => SILENT_LOGGER,
}

type GroupModel = {
  readonly hardState: HardState
  readonly base: LogPosition
  readonly membership: string
  readonly entries: readonly Entry[]
}
export type LogModel = ReadonlyMap<number, GroupModel>

const FRESH_GROUP: GroupModel = {
  hardState: { term: 0 as Term, vote: null, commit: 0 as LogIndex },
  base: { term: 0 as Term, index: 0 as LogIndex },
  membership: '',
  entries: [],
}

export function applyToModel(model: LogModel, records: readonly LogRecord[]): LogModel {
  const next = new Map(model)
  for (const record of records) {
    const group = next.get(record.group) ?? FRESH_GROUP
    if (record.kind === 'dropGroup') next.delete(record.group)
    else next.set(record.group, applyToGroup(group, record))
  }
  return next
}

function applyToGroup(group: GroupModel, record: Exclude<LogRecord, { kind: 'dropGroup' }>): GroupModel {
  switch (record.kind) {
    case 'entries': {
      const first = record.entries[0]
      if (first === undefined) return group
      return {
        ...group,
        entries: [...group.entries.slice(0, first.index - group.base.index - 1), ...record.entries],
      }
    }
    case 'hardState':
      return { ...group, hardState: record.hardState }
    case 'base': {
      const kept = record.discardsTail ? [] : group.entries.slice(record.position.index - group.base.index)
      const membership = Buffer.from(record.membership).toString()
      return { ...group, base: record.position, membership, entries: kept }
    }
    case 'damaged':
    case 'repaired':
      return group
  }
}

/** A text that is equal for equal states. */
export function modelText(model: LogModel): string {
  const lines: string[] = []
  for (const [group, { hardState, base, membership, entries }] of [...model].sort(([a], [b]) => a - b)) {
    const { term, vote, commit } = hardState
    lines.push(
      `group ${group} term ${term} vote ${vote} commit ${commit} base ${base.index}/${base.term} ${membership}`,
    )
    for (const entry of entries) lines.push(entryText(entry))
  }
  return lines.join('\n')
}

export function entryText(entry: Entry): string {
  return `${entry.index}/${entry.term} ${entry.kind} ${entry.payload.length} ${crc32(entry.payload)}`
}

export function recoveredModel(groups: readonly RecoveredGroup[]): LogModel {
  return new Map(
    groups.map(({ group, hardState, base, membership, entries }) => [
      group,
      { hardState, base, membership: Buffer.from(membership).toString(), entries },
    ]),
  )
}

/** What a replica might append next, given the state of its group. */
export function randomRecords(random: SimRandom, model: LogModel, largestPayload: number): LogRecord[] {
  const records: LogRecord[] = []
  let now = model
  const count = random.between(1, 4)
  while (records.length < count) {
    const made = randomRecord(random, now, random.between(1, 4) as GroupId, largestPayload)
    if (made === null) continue
    records.push(made)
    now = applyToModel(now, [made])
  }
  return records
}

function randomRecord(
  random: SimRandom,
  model: LogModel,
  group: GroupId,
  largestPayload: number,
): LogRecord | null {
  const state = model.get(group)
  if (state === undefined || state.membership === '') {
    const position = { term: 0 as Term, index: 0 as LogIndex }
    return {
      kind: 'base',
      group,
      position,
      membership: membershipAt(position),
      discardsTail: false,
    }
  }
  const last = state.entries.at(-1) ?? state.base
  const dice = random.below(100)
  if (dice < 60) return randomEntries(random, group, state, largestPayload)
  if (dice < 80) {
    const term = (Math.max(state.hardState.term, last.term) + random.below(2)) as Term
    const isNewTerm = term > state.hardState.term
    const vote = isNewTerm ? (random.between(1, 3) as ReplicaId) : state.hardState.vote
    const commit = random.between(state.base.index, last.index) as LogIndex
    return { kind: 'hardState', group, hardState: { term, vote, commit } }
  }
  if (dice < 95) {
    const position = random.pick([state.base, ...state.entries])
    const membership = membershipAt(position)
    return {
      kind: 'base',
      group,
      position: { term: position.term, index: position.index },
      membership,
      discardsTail: false,
    }
  }
  if (dice < 98) {
    const position = { term: (last.term + 1) as Term, index: (last.index + random.below(30)) as LogIndex }
    return { kind: 'base', group, position, membership: membershipAt(position), discardsTail: true }
  }
  return { kind: 'dropGroup', group }
}

/** A position has one membership, as in Raft. */
function membershipAt(position: LogPosition): Buffer {
  return Buffer.from(`m${position.index}/${position.term}`)
}

function randomEntries(
  random: SimRandom,
  group: GroupId,
  state: GroupModel,
  largestPayload: number,
): LogRecord {
  const last = state.entries.at(-1) ?? state.base
  const overwrites = state.entries.length > 0 && random.chance(0.15)
  const previous = overwrites ? random.pick([state.base, ...state.entries.slice(0, -1)]) : last
  // What replaces an entry has a higher term, as in Raft.
  let term = overwrites ? last.term + 1 : last.term + (random.chance(0.1) ? 1 : 0)
  const entries: Entry[] = []
  const count = random.between(1, 5)
  for (let at = 1; at <= count; at++) {
    if (random.chance(0.05)) term++
    const length = random.chance(0.02)
      ? random.below(largestPayload)
      : random.below(random.pick([4, 60, 400, 1500]))
    const payload = Buffer.alloc(length, random.pick([0, 1 + random.below(255)]))
    if (length > 8 && random.chance(0.7)) payload.writeUInt32LE(random.u32(), 3)
    const index = (previous.index + at) as LogIndex
    entries.push({ index, term: term as Term, kind: random.below(3) as EntryKind, payload })
  }
  return { kind: 'entries', group, entries }
}

export type LogRunOptions = {
  readonly random: SimRandom
  readonly sim: SimDisk
  readonly segmentBytes: number
  readonly largestPayload: number
}

/** One log over many lives of its process. */
export class LogRun {
  readonly #options: LogRunOptions
  readonly #random: SimRandom
  readonly sim: SimDisk
  log: SharedLog | null = null
  /** States after each append that may still be what is found; the first is acknowledged. */
  #states: LogModel[] = [new Map()]
  #openings = 0
  #crashAt: number | null = null
  #onCrash: (() => void) | null = null

  constructor(options: LogRunOptions) {
    this.#options = options
    this.#random = options.random
    this.sim = options.sim
  }

  get model(): LogModel {
    return this.#states.at(-1) as LogModel
  }

  openOptions(): Parameters<typeof openSharedLog>[0] {
    return {
      disk: this.sim.disk(),
      clock: STILL_CLOCK,
      logger: SILENT_LOGGER,
      random: this.#random.fork(`log ${++this.#openings}`),
      segmentBytes: this.#options.segmentBytes,
    }
  }

  async open(): Promise<void> {
    const log = await openSharedLog(this.openOptions())
    assert.deepEqual(log.losses, [])
    this.#adopt(log.takeRecovered(), this.#states)
    this.log = log
  }

  /** After a failure. */
  async reopen(): Promise<void> {
    const log = this.log
    assert(log !== null)
    await log.reopen()
    this.#adopt(log.takeRecovered(), this.#states.slice(0, 1))
  }

  /** Returns the promise of the acknowledgement; null once the append failed. */
  append(records: readonly LogRecord[]): Promise<boolean> {
    assert(this.log !== null)
    const log = this.log
    const state = applyToModel(this.model, records)
    this.#states.push(state)
    return new Promise((resolve) => {
      log.append(records, (error) => {
        if (error !== undefined) return resolve(false)
        assert.equal(this.#states[1], state, 'acknowledged in order')
        this.#states.shift()
        resolve(true)
      })
    })
  }

  /**
   * Appends, waits, collects garbage at random until `steps` are done, the log failed, or the crash
   * came that `crashAfterCalls` set (a number of disk calls). True: still running.
   */
  async work(steps: number): Promise<'running' | 'failed' | 'crashed'> {
    if (this.isCrashed) return 'crashed'
    assert(this.log !== null)
    const log = this.log
    const crashed = new Promise<'crashed'>((resolve) => {
      this.#onCrash = () => resolve('crashed')
    })
    for (let step = 0; step < steps; step++) {
      if (this.#crashAt === -1) return 'crashed'
      if (log.status.kind === 'failed') return 'failed'
      const isAcknowledged = this.append(
        randomRecords(this.#random, this.model, this.#options.largestPayload),
      )
      const dice = this.#random.below(10)
      if (dice < 3) {
        const outcome = await Promise.race([isAcknowledged, crashed])
        if (outcome === 'crashed') return 'crashed'
      } else if (dice < 5) {
        for (let turn = this.#random.below(8); turn > 0; turn--) await Promise.resolve()
      } else if (dice < 6) {
        const collected = log.collectGarbage().catch(() => undefined)
        if (this.#random.chance(0.5)) await Promise.race([collected, crashed])
      }
    }
    if (this.isCrashed) return 'crashed'
    const done = await Promise.race([this.append([]), crashed])
    if (done === 'crashed') return 'crashed'
    return log.status.kind === 'failed' ? 'failed' : 'running'
  }

  /** At this many disk calls from now the power fails, or the process is killed. */
  crashAfterCalls(calls: number): void {
    this.#crashAt = this.sim.calls + calls
  }

  /** To be asked by the disk's `faults`, at every call. */
  crashIfDue(callNumber: number): void {
    if (this.#crashAt === null || this.#crashAt < 0 || callNumber < this.#crashAt) return
    this.crash()
    this.#onCrash?.()
  }

  crash(): void {
    this.#crashAt = -1
    if (this.#random.chance(0.3)) this.sim.kill()
    else this.sim.crash()
    this.log = null
  }

  get isCrashed(): boolean {
    return this.#crashAt === -1
  }

  armed(): void {
    this.#crashAt = null
  }

  #adopt(groups: readonly RecoveredGroup[], candidates: readonly LogModel[]): void {
    for (const group of groups)
      assert.equal(group.damage, null, `group ${group.group} is damaged: ${group.damage?.detail}`)
    const found = modelText(recoveredModel(groups))
    const match = candidates.findLast((state) => modelText(state) === found)
    if (match === undefined) {
      assert.equal(found, modelText(candidates[0] as LogModel), 'found is none of the states it may be')
    }
    this.#states = [match as LogModel]
  }
}
