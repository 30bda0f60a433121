/**
 * Runs one replica over a simulated disk and a state machine that is just a digest.
 *
 * The disk keeps what was persisted and nothing else: Readys queue up as writes, and whoever drives
 * the host decides when each becomes durable, or that a crash loses it (whole or in part). The state
 * machine is durable only as of its last checkpoint, and is replayed from the log after a crash.
 */
import assert from 'node:assert/strict'
import { crc32 } from 'node:zlib'
import type { ReplicaId } from '../../src/base/ids.ts'
import type { Entry, HardState, LogIndex, LogPosition, Term } from '../../src/base/log-entry.ts'
import { INDEX_ZERO, TERM_ZERO } from '../../src/base/log-entry.ts'
import { createRaft } from '../../src/raft/create-raft.ts'
import type { Membership } from '../../src/raft/membership.ts'
import type { Message } from '../../src/raft/message.ts'
import type { Raft, RaftOptions, RaftState, ReadGrant, Ready, SnapshotRequest } from '../../src/raft/raft.ts'
import type { RaftChecker } from './raft-checker.ts'

const READYS_IN_A_ROW_MAX = 10_000
/** More than a disk loses at once. */
const HARD_STATES_KEPT = 8

export type HostOptions = Omit<RaftOptions, 'id'>

/** The machine's state at a position, and the membership there: all that a snapshot holds. */
export type Checkpoint = {
  readonly position: LogPosition
  readonly membership: Membership
  readonly digest: number
}

/** What leaves a host: a message, or a whole snapshot. */
export type Packet =
  | { readonly kind: 'message'; readonly message: Message }
  | {
      readonly kind: 'snapshot'
      readonly from: ReplicaId
      readonly to: ReplicaId
      readonly term: Term
      readonly checkpoint: Checkpoint
    }

export interface HostEvents {
  send(packet: Packet): void
  granted?(id: ReplicaId, grant: ReadGrant): void
  dropped?(id: ReplicaId, context: number): void
  applied?(id: ReplicaId, entry: Entry): void
}

export class RaftHost {
  readonly id: ReplicaId
  readonly #options: HostOptions
  readonly #checker: RaftChecker
  readonly #events: HostEvents
  #raft: Raft | null = null

  // The disk.
  #hardState: HardState = { term: TERM_ZERO, vote: null, commit: INDEX_ZERO }
  /** Those before it, oldest first: what is found when the newest are lost. */
  #olderHardStates: HardState[] = []
  #base: LogPosition
  #baseMembership: Membership
  #log: Entry[] = []
  /** The log before the newest write that replaced entries: what is found when that write is lost. */
  #replacedLog: readonly Entry[] | null = null
  #checkpoint: Checkpoint
  #mayVoteFrom: LogIndex | null = null
  #isVoteLost = false
  /** As the disk was before it was damaged. */
  #whole: { readonly log: readonly Entry[]; readonly hardState: HardState } | null = null

  // Memory.
  #writes: Ready[] = []
  #state: Checkpoint
  /** Snapshots that were offered and accepted, until their Ready installs them. */
  readonly #offered = new Map<number, Checkpoint>()

  constructor(
    id: ReplicaId,
    founding: Checkpoint,
    options: HostOptions,
    checker: RaftChecker,
    events: HostEvents,
  ) {
    this.id = id
    this.#options = options
    this.#checker = checker
    this.#events = events
    this.#base = founding.position
    this.#baseMembership = founding.membership
    this.#checkpoint = founding
    this.#state = founding
  }

  get isRunning(): boolean {
    return this.#raft !== null
  }

  get raft(): Raft {
    assert(this.#raft !== null, `replica ${this.id} is down`)
    return this.#raft
  }

  get state(): Checkpoint {
    return this.#state
  }

  get pendingWrites(): number {
    return this.#writes.length
  }

  get isDamaged(): boolean {
    return this.#mayVoteFrom !== null
  }

  start(): void {
    assert(this.#raft === null)
    this.#state = this.#checkpoint
    const state: RaftState = {
      hardState: this.#hardState,
      base: this.#base,
      membership: this.#baseMembership,
      entries: [...this.#log],
      applied: this.#checkpoint.position.index,
      mayVoteFrom: this.#mayVoteFrom,
      isVoteLost: this.#isVoteLost,
    }
    this.#checker.started(this.id, state)
    this.#raft = createRaft({ ...this.#options, id: this.id }, state)
    this.#observe()
  }

  /** The first `survivingWrites` writes in flight reach the disk, and `survivingEntries` entries of the next. */
  crash(survivingWrites: number, survivingEntries: number): void {
    for (const write of this.#writes.slice(0, survivingWrites)) this.#writeToDisk(write)
    const torn = this.#writes[survivingWrites]
    if (torn !== undefined && torn.snapshot === null && survivingEntries > 0) {
      this.#writeToDisk({ ...torn, entries: torn.entries.slice(0, survivingEntries) })
    }
    this.#writes = []
    this.#offered.clear()
    this.#raft = null
    this.#checker.crashed(this.id)
  }

  /** While it is down: the durable log from `index` on becomes unreadable; that it reached `known` is still seen. */
  damage(index: LogIndex, known: LogIndex): void {
    assert(this.#raft === null && this.#mayVoteFrom === null)
    const { first, last } = this.durableRange
    assert(index >= first && index <= last && known >= index - 1 && known <= last)
    this.#whole = { log: [...this.#log], hardState: this.#hardState }
    this.#mayVoteFrom = Math.max(known, this.#checkpoint.position.index) as LogIndex
    this.#log.length = index - this.#base.index - 1
  }

  /** While it is down: the newest write that replaced entries, and all after it, become unreadable. */
  damageReplacement(): boolean {
    assert(this.#raft === null && this.#mayVoteFrom === null)
    const { index, term } = this.#base
    const older = this.#replacedLog
    this.#replacedLog = null
    if (older === null) return false
    // What was cut since says where the entries left begin; other entries there than before: nothing is left.
    const known = older.find((entry) => entry.index === index)
    const joins = known === undefined ? older[0]?.index === index + 1 : known.term === term
    this.#mayVoteFrom = Math.max(this.durableRange.last, older.at(-1)?.index ?? 0) as LogIndex
    this.#log = joins ? older.filter((entry) => entry.index > index) : []
    this.#startBehindState()
    return true
  }

  /** As src/replica/open-group.ts does: entries that are not those which were applied are of no use. */
  #startBehindState(): void {
    const { position, membership } = this.#checkpoint
    const applied = this.#log.find((entry) => entry.index === position.index)
    if (position.index === this.#base.index || applied?.term === position.term) return
    this.#base = position
    this.#baseMembership = membership
    this.#log = []
  }

  /** While it is down, after `damage`: the newest `count` hard states are gone with it. */
  forgetVotes(count: number): void {
    assert(this.#raft === null && this.#mayVoteFrom !== null)
    this.#isVoteLost = true
    for (let left = count; left > 0; left--) this.#hardState = this.#olderHardStates.pop() ?? this.#hardState
  }

  /** While it is down: the disk is as it was before the damage. Only if nothing was written since. */
  restore(): void {
    assert(this.#raft === null && this.#whole !== null)
    this.#log = [...this.#whole.log]
    this.#hardState = this.#whole.hardState
    this.#mayVoteFrom = null
    this.#isVoteLost = false
  }

  get durableRange(): { readonly first: number; readonly last: number } {
    return { first: this.#base.index + 1, last: this.#base.index + this.#log.length }
  }

  /** Calls into the replica, then looks at it. */
  call<Result>(act: (raft: Raft) => Result): Result {
    const result = act(this.raft)
    this.#observe()
    return result
  }

  deliver(packet: Packet): void {
    if (packet.kind === 'message') {
      this.call((raft) => raft.step(packet.message))
      return
    }
    const { checkpoint, from, term } = packet
    const { position, membership } = checkpoint
    if (this.call((raft) => raft.offerSnapshot({ position, membership }, from, term))) {
      this.#offered.set(position.index, checkpoint)
    }
  }

  askRead(context: number): boolean {
    this.#checker.readAsked(this.id, context)
    return this.call((raft) => raft.readIndex(context))
  }

  /** Takes one Ready, if there is one, and begins to carry it out; `look` sees it first. */
  takeReady(look?: (ready: Ready) => void): boolean {
    const { raft } = this
    if (!raft.hasReady()) return false
    const ready = raft.takeReady()
    look?.(ready)
    this.#checker.readyTaken(raft, ready)
    this.#observe()
    for (const message of ready.messages) this.#send(message)
    this.#writes.push(ready)
    for (const entry of ready.committed) this.#apply(entry)
    for (const grant of ready.reads) this.#grant(grant)
    for (const context of ready.droppedReads) this.#events.dropped?.(this.id, context)
    for (const request of ready.snapshotsToSend) this.#sendSnapshot(request)
    return true
  }

  takeAllReadys(): void {
    let taken = 0
    while (this.takeReady()) {
      taken++
      assert(taken < READYS_IN_A_ROW_MAX, `replica ${this.id} never runs out of work`)
    }
  }

  /** The oldest write in flight becomes durable. */
  persistOne(): boolean {
    const write = this.#writes.shift()
    if (write === undefined) return false
    this.#writeToDisk(write)
    if (write.snapshot !== null) this.#state = this.#checkpoint
    this.raft.persisted(write.number)
    this.#checker.persisted(this.id, write.number)
    if (!this.raft.isRepairing) {
      this.#mayVoteFrom = null
      this.#isVoteLost = false
    }
    this.#observe()
    for (const message of write.messagesAfterPersist) this.#send(message)
    return true
  }

  /** The state machine becomes durable as it is, and the log before it may go. */
  checkpoint(keepBytes: number): void {
    if (this.#writes.some((write) => write.snapshot !== null)) return
    this.#checkpoint = this.#state
    const point = this.raft.compactionPoint(this.#state.position.index, keepBytes)
    if (point === null || point.position.index > this.durableRange.last) return
    this.call((raft) => raft.compact(point.position.index))
    this.#log.splice(0, point.position.index - this.#base.index)
    this.#base = point.position
    this.#baseMembership = point.membership
  }

  #observe(): void {
    this.raft.checkInvariants()
    this.#checker.observed(this.raft)
  }

  #send(message: Message): void {
    this.#checker.sent(message)
    this.#events.send({ kind: 'message', message })
  }

  #apply(entry: Entry): void {
    assert.equal(entry.index, this.#state.position.index + 1, 'applied out of order')
    const digest = crc32(entry.payload, (this.#state.digest + entry.kind) >>> 0)
    const membership = this.raft.membershipAt(entry.index)
    this.#state = { position: { term: entry.term, index: entry.index }, membership, digest }
    this.#checker.applied(this.id, entry.index, digest)
    this.#events.applied?.(this.id, entry)
    this.call((raft) => raft.applied(entry.index))
  }

  #grant(grant: ReadGrant): void {
    this.#checker.readGranted(this.id, grant)
    this.#events.granted?.(this.id, grant)
  }

  #sendSnapshot(request: SnapshotRequest): void {
    const checkpoint = this.#state
    assert(checkpoint.position.index >= request.minIndex)
    this.#events.send({ kind: 'snapshot', from: this.id, to: request.to, term: this.raft.term, checkpoint })
  }

  #writeToDisk(write: Ready): void {
    if (write.hardState !== null) {
      this.#olderHardStates = [...this.#olderHardStates, this.#hardState].slice(-HARD_STATES_KEPT)
      this.#hardState = write.hardState
    }
    if (write.snapshot !== null) {
      const { position, membership } = write.snapshot
      const checkpoint = this.#offered.get(position.index)
      assert(checkpoint !== undefined, 'a snapshot that was never offered')
      this.#offered.delete(position.index)
      this.#base = position
      this.#baseMembership = membership
      this.#log = []
      this.#replacedLog = null
      this.#checkpoint = checkpoint
    }
    const first = write.entries[0]
    if (first === undefined) return
    assert(first.index > this.#base.index && first.index <= this.durableRange.last + 1, 'a gap in the log')
    if (first.index <= this.durableRange.last) this.#replacedLog = [...this.#log]
    this.#log.length = first.index - this.#base.index - 1
    this.#log.push(...write.entries)
  }
}

export function founding(membership: Membership): Checkpoint {
  return { position: { term: TERM_ZERO, index: INDEX_ZERO }, membership, digest: 0 }
}
