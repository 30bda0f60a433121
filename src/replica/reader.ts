/**
 * Linearizable reads of one group (Raft thesis §6.4): the reads of a turn share one ReadIndex round,
 * and only one round is asked for at a time, so that under load rounds carry many reads.
 *
 * A granted read runs as soon as the granted index is applied. A read whose answer depends on
 * logical time that has not come yet (`needTime`) waits until the leader has advanced it. One that
 * takes longer than a turn (`walk`) goes on beside all others (walker.ts).
 *
 * Failure model: an engine that fails stops the replica (`onFailure`). A machine that throws on a
 * query fails that read alone: it would throw on every replica that the read is tried on.
 */
import type { LogIndex } from '../base/log-entry.ts'
import type { Done, Machine, NeedTime, QueryContext } from '../base/machine.ts'
import type { Clock } from '../env/clock.ts'
import { EngineFault } from '../env/engine.ts'
import type { Logger } from '../env/logger.ts'
import type { Raft } from '../raft/raft.ts'
import { ExecutionView } from './execution.ts'
import type { Failure, Responder } from './outcome.ts'
import { ReadTrips } from './read-trips.ts'
import type { StateStore } from './state/state-store.ts'
import { type LongRead, Walker } from './walker.ts'

/** Main-loop time one run of granted reads may take before other events get their turn. */
const SLICE_MS = 4
/** Reads between two looks at the clock. */
const READS_PER_CLOCK_READ = 64

type PendingRead<Command, Reply> = {
  readonly command: Command
  readonly responder: Responder<Reply>
  /** Of a long read that had to wait for logical time: it would find something new to wait for each time. */
  readonly clockMs?: number
}

type Round<Command, Reply> = {
  readonly context: number
  readonly reads: readonly PendingRead<Command, Reply>[]
  index: LogIndex | null
  nextRead: number
}

/** A read that memory could not answer, and what its reader's clock said when it began. */
type TrippingRead<Command, Reply> = { readonly read: PendingRead<Command, Reply>; readonly clockMs: number }

type TimedRead<Command, Reply> = { readonly timeMs: number; readonly read: PendingRead<Command, Reply> }

export type ReaderWorld = { readonly clock: Clock; readonly logger: Logger }

export type ReaderCallbacks = {
  readonly onFailure: (error: unknown) => void
  /** A read waits for logical time to reach the reader's clock; answered by `timeAdvanced` or `failUntilTime`. */
  readonly onNeedTime: () => void
}

export class Reader<Command, Reply> {
  readonly #raft: Raft
  readonly #machine: Machine<Command, Reply>
  readonly #store: StateStore
  readonly #world: ReaderWorld
  readonly #readsMax: number
  readonly #callbacks: ReaderCallbacks
  /** For reads that memory answers: it never fetches, so all can share it. */
  readonly #memoryView: ExecutionView
  readonly #walker: Walker<Command, Reply>
  readonly #trips: ReadTrips<TrippingRead<Command, Reply>>
  #waiting: PendingRead<Command, Reply>[] = []
  #asked: Round<Command, Reply> | null = null
  #granted: Round<Command, Reply>[] = []
  #untilTime: TimedRead<Command, Reply>[] = []
  #isTimeAsked = false
  #isYielding = false
  #lastContext = 0
  #readsOpen = 0

  constructor(
    raft: Raft,
    machine: Machine<Command, Reply>,
    store: StateStore,
    world: ReaderWorld,
    readsMax: number,
    callbacks: ReaderCallbacks,
  ) {
    this.#raft = raft
    this.#machine = machine
    this.#store = store
    this.#world = world
    this.#readsMax = readsMax
    this.#callbacks = callbacks
    this.#memoryView = new ExecutionView(store)
    this.#trips = new ReadTrips(store, world.clock, {
      onFetched: ({ read, clockMs }, view) => this.#runFetched(read, clockMs, view),
      onFailed: ({ read }, error) => this.#failRead(read, error),
    })
    this.#walker = new Walker(machine, store, world.clock, {
      onEnd: (read, end) =>
        end.kind === 'error' ? this.#failRead(read, end.error) : this.#settle(read, end),
    })
  }

  get openReads(): number {
    return this.#readsOpen
  }

  /** A read of the state as it is here, without a round: as old as this replica happens to be. */
  peek(command: Command, responder: Responder<Reply>): boolean {
    if (this.#readsOpen >= this.#readsMax) return false
    this.#readsOpen += 1
    this.#world.clock.endOfTurn(() => this.#run({ command, responder }, this.#context()))
    return true
  }

  add(command: Command, responder: Responder<Reply>): boolean {
    if (this.#readsOpen >= this.#readsMax) return false
    this.#readsOpen += 1
    this.#waiting.push({ command, responder })
    return true
  }

  /** Asks for a round if reads wait and none is asked for. */
  askRound(): void {
    if (this.#waiting.length === 0 || this.#asked !== null) return
    this.#lastContext += 1
    const round = { context: this.#lastContext, reads: this.#waiting, index: null, nextRead: 0 }
    this.#waiting = []
    this.#asked = round
    if (this.#raft.readIndex(round.context)) return
    this.#asked = null
    this.#failReads(round.reads, this.#notLeader())
  }

  /** The round was granted, or (null) can't be granted any more. */
  settleRound(context: number, index: LogIndex | null): void {
    const round = this.#asked
    if (round === null || round.context !== context) return
    this.#asked = null
    if (index === null) {
      this.#failReads(round.reads, this.#notLeader())
    } else {
      round.index = index
      this.#granted.push(round)
      this.runGranted()
    }
    this.askRound()
  }

  /** Runs the rounds whose index is applied; call whenever the applied index moved. */
  runGranted(): void {
    if (this.#granted.length > 0 && !this.#isYielding) this.#runSlice()
    if (this.#untilTime.length > 0) this.#runReachedTime()
  }

  /** Logical time was advanced to what the clock showed then: whoever still waits asks his clock again. */
  timeAdvanced(): void {
    this.#isTimeAsked = false
    const waiting = this.#untilTime
    this.#untilTime = []
    const context = this.#context()
    for (const { read } of waiting) this.#run(read, context)
  }

  /** Logical time can't be advanced from here: those who wait for it ask elsewhere. */
  failUntilTime(failure: Failure = this.#notLeader()): void {
    this.#isTimeAsked = false
    const waiting = this.#untilTime
    this.#untilTime = []
    this.#failReads(
      waiting.map(({ read }) => read),
      failure,
    )
  }

  /** Fails everything but the reads that are waiting for the engine's next answer. */
  failAll(failure: Failure): void {
    const rounds = this.#asked === null ? this.#granted : [...this.#granted, this.#asked]
    this.#granted = []
    this.#asked = null
    const waiting = this.#waiting
    this.#waiting = []
    for (const round of rounds) this.#failReads(round.reads.slice(round.nextRead), failure)
    this.#failReads(waiting, failure)
    this.#failReads(this.#walker.takeAll(), failure)
    this.failUntilTime(failure)
  }

  #notLeader(): Failure {
    return { kind: 'notLeader', leader: this.#raft.leader }
  }

  #failReads(reads: readonly PendingRead<Command, Reply>[], failure: Failure): void {
    for (const { responder } of reads) {
      this.#readsOpen -= 1
      responder.fail(failure)
    }
  }

  #runSlice(): void {
    const appliedIndex = this.#store.applied.position.index
    let context = this.#context()
    let untilClockRead = READS_PER_CLOCK_READ
    let sliceEndMs = 0
    for (;;) {
      const round = this.#granted[0]
      if (round === undefined || (round.index as LogIndex) > appliedIndex) return
      const read = round.reads[round.nextRead]
      if (read === undefined) {
        this.#granted.shift()
        continue
      }
      round.nextRead += 1
      this.#run(read, context)
      untilClockRead -= 1
      if (untilClockRead > 0) continue
      untilClockRead = READS_PER_CLOCK_READ
      context = this.#context()
      const nowMs = this.#world.clock.monotonicMs()
      if (sliceEndMs === 0) sliceEndMs = nowMs + SLICE_MS
      else if (nowMs >= sliceEndMs) return this.#yieldLoop()
    }
  }

  #yieldLoop(): void {
    this.#isYielding = true
    this.#world.clock.setTimer(0, () => {
      this.#isYielding = false
      this.runGranted()
    })
  }

  /** What reads see of time now; those of one slice share it. */
  #context(clockMs = this.#world.clock.wallMs()): QueryContext {
    const { timeMs } = this.#store
    const { machineVersion } = this.#store.applied
    return { timeMs, seed: this.#lastContext, machineVersion, clockMs }
  }

  #run(read: PendingRead<Command, Reply>, now: QueryContext): void {
    const context = read.clockMs === undefined ? now : { ...now, clockMs: read.clockMs }
    const outcome = this.#query(read, this.#memoryView, context)
    if (outcome === null) return
    if (outcome.kind === 'walk') this.#walk(read, context.clockMs)
    else if (outcome.kind !== 'need') this.#settle(read, outcome)
    else if (outcome.ranges.length > 0) void this.#runWithFetches(read, context.clockMs)
    else this.#trips.add({ read, clockMs: context.clockMs }, outcome.keys)
  }

  #runFetched(read: PendingRead<Command, Reply>, clockMs: number, view: ExecutionView): void {
    const outcome = this.#query(read, view, this.#context(clockMs))
    if (outcome === null) return
    // What it learned makes it want more: from here on it goes alone.
    if (outcome.kind === 'need') void this.#runWithFetches(read, clockMs)
    else if (outcome.kind === 'walk') this.#walk(read, clockMs)
    else this.#settle(read, outcome)
  }

  /** Never rejects. One `clockMs`: a machine that asks for ranges up to now must ask for the same ones in every round. */
  async #runWithFetches(read: PendingRead<Command, Reply>, clockMs: number): Promise<void> {
    const view = new ExecutionView(this.#store)
    for (;;) {
      view.refresh()
      const outcome = this.#query(read, view, this.#context(clockMs))
      if (outcome === null) return
      if (outcome.kind === 'walk') return this.#walk(read, clockMs)
      if (outcome.kind !== 'need') return this.#settle(read, outcome)
      try {
        await view.fulfil(outcome.keys, outcome.ranges)
      } catch (error) {
        this.#failRead(read, error)
        return
      }
    }
  }

  #walk({ command, responder }: PendingRead<Command, Reply>, clockMs: number): void {
    const long: LongRead<Command, Reply> = { command, responder, clockMs, seed: this.#lastContext }
    this.#walker.add(long)
  }

  /** Null when the machine threw; the read is answered then. */
  #query(read: PendingRead<Command, Reply>, view: ExecutionView, context: QueryContext) {
    try {
      return this.#machine.query(view, read.command, context)
    } catch (error) {
      this.#failRead(read, error)
      return null
    }
  }

  #failRead(read: PendingRead<Command, Reply>, error: unknown): void {
    const reason = `a read failed: ${String(error)}`
    this.#failReads([read], { kind: 'unhealthy', reason })
    if (error instanceof EngineFault) this.#callbacks.onFailure(error)
    else this.#world.logger.error('a read failed', { error: error instanceof Error ? error.stack : error })
  }

  #settle(read: PendingRead<Command, Reply>, outcome: Done<Reply> | NeedTime): void {
    if (outcome.kind === 'done') {
      this.#readsOpen -= 1
      read.responder.reply(outcome.reply)
      return
    }
    this.#untilTime.push({ timeMs: outcome.timeMs, read })
    if (this.#isTimeAsked) return
    this.#isTimeAsked = true
    this.#callbacks.onNeedTime()
  }

  #runReachedTime(): void {
    const { timeMs } = this.#store
    const reached = this.#untilTime.filter((entry) => entry.timeMs <= timeMs)
    if (reached.length === 0) return
    this.#untilTime = this.#untilTime.filter((entry) => entry.timeMs > timeMs)
    const context = this.#context()
    for (const { read } of reached) this.#run(read, context)
  }
}
