/**
 * Linearizable reads of one group (Raft thesis §6.4): the reads of a turn share one ReadIndex round,
 * and only one round is asked for at a time, so that under load rounds carry many reads.
 *
 * A granted read runs as soon as the granted index is applied. A read whose answer depends on
 * logical time that has not come yet (`needTime`) waits until the leader has advanced it.
 */
import type { LogIndex } from '../base/log-entry.ts'
import type { Machine } from '../base/machine.ts'
import type { Clock } from '../env/clock.ts'
import type { Raft } from '../raft/raft.ts'
import { ExecutionView } from './execution.ts'
import type { Responder } from './outcome.ts'
import type { StateStore } from './state-store.ts'

type PendingRead<Command, Reply> = { readonly command: Command; readonly responder: Responder<Reply> }

type Round<Command, Reply> = {
  readonly context: number
  readonly reads: readonly PendingRead<Command, Reply>[]
  index: LogIndex | null
}

export type ReaderCallbacks = {
  readonly onFailure: (error: unknown) => void
  /** A read waits for logical time to reach the reader's clock. */
  readonly onNeedTime: () => void
}

export class Reader<Command, Reply> {
  readonly #raft: Raft
  readonly #machine: Machine<Command, Reply>
  readonly #store: StateStore
  readonly #clock: Clock
  readonly #readsMax: number
  readonly #callbacks: ReaderCallbacks
  #waiting: PendingRead<Command, Reply>[] = []
  #asked: Round<Command, Reply> | null = null
  #granted: Round<Command, Reply>[] = []
  #untilTime: { readonly timeMs: number; readonly read: PendingRead<Command, Reply> }[] = []
  #lastContext = 0
  #readsOpen = 0

  constructor(
    raft: Raft,
    machine: Machine<Command, Reply>,
    store: StateStore,
    clock: Clock,
    readsMax: number,
    callbacks: ReaderCallbacks,
  ) {
    this.#raft = raft
    this.#machine = machine
    this.#store = store
    this.#clock = clock
    this.#readsMax = readsMax
    this.#callbacks = callbacks
  }

  get openReads(): number {
    return this.#readsOpen
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
    const round: Round<Command, Reply> = { context: this.#lastContext, reads: this.#waiting, index: null }
    this.#waiting = []
    this.#asked = round
    if (!this.#raft.readIndex(round.context)) this.#failRound(round)
  }

  /** The round was granted, or (null) can't be granted any more. */
  settleRound(context: number, index: LogIndex | null): void {
    const round = this.#asked
    if (round === null || round.context !== context) return
    this.#asked = null
    if (index === null) {
      this.#failReads(round.reads)
    } else {
      round.index = index
      this.#granted.push(round)
    }
    this.runGranted()
    this.askRound()
  }

  /** Runs the rounds whose index is applied; call whenever the applied index moved. */
  runGranted(): void {
    const appliedIndex = this.#store.applied.position.index
    while (this.#granted.length > 0) {
      const round = this.#granted[0] as Round<Command, Reply>
      if ((round.index as LogIndex) > appliedIndex) break
      this.#granted.shift()
      for (const read of round.reads) this.#run(read)
    }
    if (this.#untilTime.length > 0) this.#runReachedTime()
  }

  /** Logical time can't be advanced from here: those who wait for it ask elsewhere. */
  failUntilTime(): void {
    const waiting = this.#untilTime
    this.#untilTime = []
    this.#failReads(waiting.map(({ read }) => read))
  }

  /** The replica lost its leader: nothing that waits for a round will be granted. */
  failAll(): void {
    if (this.#asked !== null) this.#failRound(this.#asked)
    const orphans = this.#granted.flatMap((round) => round.reads)
    this.#granted = []
    this.#failReads(orphans)
    this.#failReads(this.#waiting)
    this.#waiting = []
    this.failUntilTime()
  }

  #failRound(round: Round<Command, Reply>): void {
    this.#asked = null
    this.#failReads(round.reads)
  }

  #failReads(reads: readonly PendingRead<Command, Reply>[]): void {
    for (const { responder } of reads) {
      this.#readsOpen -= 1
      responder.fail({ kind: 'notLeader', leader: this.#raft.leader })
    }
  }

  #run(read: PendingRead<Command, Reply>): void {
    const view = new ExecutionView(this.#store)
    // Read once: a machine that asks for ranges up to now must ask for the same ones in every round.
    const clockMs = this.#clock.wallMs()
    if (this.#runOnce(read, view, clockMs)) return
    this.#runWithFetches(read, view, clockMs).catch((error: unknown) => {
      this.#readsOpen -= 1
      read.responder.fail({ kind: 'unhealthy', reason: String(error) })
      this.#callbacks.onFailure(error)
    })
  }

  async #runWithFetches(
    read: PendingRead<Command, Reply>,
    view: ExecutionView,
    clockMs: number,
  ): Promise<void> {
    for (;;) {
      view.refresh()
      const outcome = this.#query(read, view, clockMs)
      if (outcome.kind !== 'need') {
        this.#settle(read, outcome)
        return
      }
      await view.fulfil(outcome.keys, outcome.ranges)
    }
  }

  /** False when it has to fetch first. */
  #runOnce(read: PendingRead<Command, Reply>, view: ExecutionView, clockMs: number): boolean {
    const outcome = this.#query(read, view, clockMs)
    if (outcome.kind === 'need') return false
    this.#settle(read, outcome)
    return true
  }

  #query(read: PendingRead<Command, Reply>, view: ExecutionView, clockMs: number) {
    const { timeMs, machineVersion } = this.#store.applied
    const context = { timeMs, seed: this.#lastContext, machineVersion, clockMs }
    return this.#machine.query(view, read.command, context)
  }

  #settle(
    read: PendingRead<Command, Reply>,
    outcome:
      | { readonly kind: 'done'; readonly reply: Reply }
      | { readonly kind: 'needTime'; readonly timeMs: number },
  ): void {
    if (outcome.kind === 'done') {
      this.#readsOpen -= 1
      read.responder.reply(outcome.reply)
      return
    }
    this.#untilTime.push({ timeMs: outcome.timeMs, read })
    this.#callbacks.onNeedTime()
  }

  #runReachedTime(): void {
    const { timeMs } = this.#store.applied
    const waiting = this.#untilTime
    this.#untilTime = []
    for (const entry of waiting) {
      if (entry.timeMs <= timeMs) this.#run(entry.read)
      else this.#untilTime.push(entry)
    }
  }
}
