/**
 * Applies committed entries in log order, and answers whoever proposed them here.
 *
 * One entry at a time, one command at a time. When a command needs data that is not in memory the
 * applier fetches, for the commands behind it as well (look-ahead.ts), and runs it again; meanwhile
 * nothing else is applied, and reads of older state go on. It yields the main loop after `SLICE_MS` of work.
 *
 * Failure model: an entry that can't be decoded, a machine that throws and an engine that fails all
 * stop the applier for good (`onFailure`): a local failure never becomes the result of a command.
 * Whoever waits for the rest of an entry that is not going to be finished here is told so.
 */
import assert from 'node:assert/strict'
import type { ByteString } from '../base/bytes.ts'
import { type Entry, EntryKind, type LogIndex, type LogPosition } from '../base/log-entry.ts'
import type { Context, Done, Machine, Need } from '../base/machine.ts'
import type { Clock } from '../env/clock.ts'
import { commandSeed, decodePayload, type EntryPayload, isCheckPayload } from './entry-payload.ts'
import { ExecutionView, needOf } from './execution.ts'
import type { ProposalMark } from './forwarding/proposal-mark.ts'
import type { Waiters } from './forwarding/sent-proposals.ts'
import { AHEAD_KEYS_MIN, fewerKeys, keysAhead, nextKeysMax, type Upcoming } from './look-ahead.ts'
import type { StateStore } from './state/state-store.ts'

/** Main-loop time one slice of applying may take before other events get their turn. */
const SLICE_MS = 4
/** Commands between two looks at the clock; one that writes much counts as several. */
const COMMANDS_PER_CLOCK_READ = 32
const WRITES_PER_COMMAND_LOG2 = 3

/**
 * Checks in a row that are passed over because a later one waits already: the others compared their states
 * there long ago, and hashing all of a long log's checks would only delay its end. Not without a limit: a
 * replica that never catches up must be compared too.
 */
const CHECKS_PASSED_MAX = 100

/** More than an entry has commands: the product with an index is still exact. */
const PLACES_PER_ENTRY = 2 ** 20

/** The proposer's own copy of an entry: commands need no decoding, replies have somebody to go to. */
export type LocalEntry<Command, Reply> = Waiters<Reply> & { readonly payload: EntryPayload<Command> }

export type ApplierCallbacks<Command, Reply> = {
  /** The entry at this position if it was proposed here, else null. Called once per applied entry, in order. */
  readonly takeLocal: (position: LogPosition) => LocalEntry<Command, Reply> | null
  /** Who waits here for commands that another node put into the log. */
  readonly takeMarked: (position: LogPosition, marks: readonly ProposalMark[]) => Waiters<Reply> | null
  readonly onApplied: (index: LogIndex) => void
  readonly onCheck: (index: LogIndex, digest: string) => void
  readonly onFailure: (error: unknown) => void
}

type Work<Command, Reply> = {
  readonly entry: Entry
  readonly payload: EntryPayload<Command> | null
  readonly waiters: Waiters<Reply> | null
  nextOrdinal: number
}

/** `payload` is there once somebody has looked ahead. */
type Queued<Command> = { readonly entry: Entry; payload: EntryPayload<Command> | null }

export class Applier<Command, Reply> {
  readonly #machine: Machine<Command, Reply>
  readonly #store: StateStore
  readonly #clock: Clock
  readonly #callbacks: ApplierCallbacks<Command, Reply>
  #view: ExecutionView
  #queue: Queued<Command>[] = []
  #queueHead = 0
  #queuedChecks = 0
  #checksPassed = 0
  #work: Work<Command, Reply> | null = null
  /** Waits for data or for the next slice; `#generation` tells whether what it waited for still counts. */
  #isBusy = false
  #generation = 0
  #isPaused = false
  #progress = 0
  #isStopped = false
  #commandsUntilClockRead = COMMANDS_PER_CLOCK_READ
  #aheadKeysMax = AHEAD_KEYS_MIN
  /** What the last trip fetched for the commands behind the one that needed it. */
  #ahead: ReadonlySet<ByteString> = new Set()
  readonly #complete = new Set<number>()

  constructor(
    machine: Machine<Command, Reply>,
    store: StateStore,
    clock: Clock,
    callbacks: ApplierCallbacks<Command, Reply>,
  ) {
    this.#machine = machine
    this.#store = store
    this.#clock = clock
    this.#callbacks = callbacks
    this.#view = new ExecutionView(store)
  }

  /** Changes with everything that brings the next entry nearer to its end. */
  get progress(): number {
    return this.#progress
  }

  get queuedEntries(): number {
    return this.#queue.length - this.#queueHead + (this.#work === null ? 0 : 1)
  }

  enqueue(entries: readonly Entry[]): void {
    for (const entry of entries) {
      this.#queue.push({ entry, payload: null })
      if (isCheck(entry)) this.#queuedChecks += 1
    }
    this.run()
  }

  /** Goes on if it can; also called when the store has room again. */
  run(): void {
    if (this.#isBusy || this.#isPaused || this.#isStopped) return
    try {
      this.#runSlice()
    } catch (error) {
      this.#fail(error)
    }
  }

  stop(): void {
    this.#isStopped = true
    this.#abandonWork()
  }

  /**
   * A snapshot is about to replace the state: forgets every entry that was enqueued, since it covers
   * them all, and applies nothing before `resume`.
   */
  pause(): void {
    assert(!this.#isPaused)
    this.#isPaused = true
    this.#queue = []
    this.#queueHead = 0
    this.#queuedChecks = 0
    this.#abandonWork()
  }

  /** The store holds the snapshot. */
  resume(): void {
    assert(this.#isPaused)
    this.#isPaused = false
    this.run()
  }

  #abandonWork(): void {
    const work = this.#work
    this.#work = null
    this.#generation += 1
    this.#isBusy = false
    this.#view = new ExecutionView(this.#store)
    work?.waiters?.onAbandoned(work.nextOrdinal)
  }

  #runSlice(): void {
    const sliceEndMs = this.#clock.monotonicMs() + SLICE_MS
    while (!this.#store.isFull) {
      const work = this.#work ?? this.#takeNext()
      if (work === null) return
      this.#work = work
      if (!this.#runCommands(work, sliceEndMs)) return
      this.#work = null
      this.#finish(work)
    }
  }

  #takeNext(): Work<Command, Reply> | null {
    const queued = this.#queue[this.#queueHead]
    if (queued === undefined) return null
    const { entry } = queued
    this.#queueHead += 1
    // Under load it never becomes empty: what was taken must not be held until then.
    if (this.#queueHead * 2 >= this.#queue.length) {
      this.#queue = this.#queue.slice(this.#queueHead)
      this.#queueHead = 0
    }
    assert(entry.index === this.#store.applied.position.index + 1, 'committed entries are consecutive')
    if (isCheck(entry)) this.#queuedChecks -= 1
    const local = this.#callbacks.takeLocal(entry)
    const payload =
      entry.kind !== EntryKind.command
        ? null
        : (local?.payload ?? queued.payload ?? decodePayload(this.#machine, entry.payload))
    return { entry, payload, waiters: local ?? this.#takeMarked(entry, payload), nextOrdinal: 0 }
  }

  #takeMarked(position: LogPosition, payload: EntryPayload<Command> | null): Waiters<Reply> | null {
    if (payload?.kind !== 'commands' || payload.marks.length === 0) return null
    return this.#callbacks.takeMarked(position, payload.marks)
  }

  /** False when it has to wait: for data, or for the next slice. */
  #runCommands(work: Work<Command, Reply>, sliceEndMs: number): boolean {
    if (work.payload === null || work.payload.kind !== 'commands') return true
    const { commands, seed } = work.payload
    // A new leader may have stamped this before it had seen its predecessor's last stamps.
    const timeMs = Math.max(work.payload.timeMs, this.#store.applied.timeMs)
    const machineVersion = this.#store.applied.machineVersion
    while (work.nextOrdinal < commands.length) {
      const ordinal = work.nextOrdinal
      const context = { timeMs, seed: commandSeed(seed, ordinal), machineVersion }
      const need = this.#runCommand(commands[ordinal] as Command, context, work)
      if (need !== null) {
        this.#waitFor(need)
        return false
      }
      work.nextOrdinal += 1
      if (this.#isSliceOver(sliceEndMs)) {
        this.#yieldLoop()
        return false
      }
    }
    return true
  }

  #runCommand(command: Command, context: Context, work: Work<Command, Reply>): Need | null {
    this.#view.refresh()
    const outcome: Done<Reply> | Need = this.#machine.execute(this.#view, command, context)
    this.#progress += 1
    if (outcome.kind === 'need') return outcome
    const unknown = this.#store.unknownOldValues(outcome.writes, outcome.clearsData, this.#view.fetched)
    if (unknown.length > 0) return needOf(unknown)
    this.#store.write(outcome.writes, outcome.clearsData, this.#view.fetched, context.timeMs)
    this.#commandsUntilClockRead -= outcome.writes.length >> WRITES_PER_COMMAND_LOG2
    this.#view.reset()
    work.waiters?.onReply(work.nextOrdinal, outcome.reply)
    return null
  }

  #finish(work: Work<Command, Reply>): void {
    const { entry, payload } = work
    const before = this.#store.applied
    const timeMs = payload === null ? before.timeMs : Math.max(payload.timeMs, before.timeMs)
    const version = payload?.kind === 'version' ? payload.machineVersion : before.machineVersion
    assert(
      version <= this.#machine.version,
      `this program runs machine version ${this.#machine.version}, the group ${version}`,
    )
    const membership = entry.kind === EntryKind.membership ? entry.payload : before.membership
    this.#store.finishEntry({ index: entry.index, term: entry.term }, timeMs, version, membership)
    if (payload?.kind === 'check') this.#check(entry.index)
    this.#callbacks.onApplied(entry.index)
  }

  #check(index: LogIndex): void {
    if (this.#queuedChecks > 0 && this.#checksPassed < CHECKS_PASSED_MAX) {
      this.#checksPassed += 1
      return
    }
    this.#checksPassed = 0
    this.#callbacks.onCheck(index, this.#store.digest())
  }

  #waitFor(need: Need): void {
    this.#isBusy = true
    const generation = this.#generation
    this.#view.fulfil(this.#withKeysAhead(need.keys), need.ranges).then(
      () => {
        if (generation === this.#generation)
          this.#aheadKeysMax = nextKeysMax(this.#aheadKeysMax, this.#view.fetchedBytes)
        this.#goOn(generation)
      },
      (error) => {
        if (generation === this.#generation) this.#fail(error)
      },
    )
  }

  /** While it waits anyway, it fetches for the commands behind this one too. */
  #withKeysAhead(needed: readonly ByteString[]): readonly ByteString[] {
    // Fetched for a command that came too late to find it: most often a flush was faster.
    const isInVain = needed.some((key) => this.#ahead.has(key))
    if (isInVain) {
      this.#aheadKeysMax = fewerKeys(this.#aheadKeysMax)
      this.#complete.clear()
    }
    const ahead = keysAhead(
      this.#machine,
      this.#store,
      this.#view,
      this.#upcoming(),
      this.#complete,
      this.#aheadKeysMax,
    )
    this.#ahead = ahead
    return ahead.size === 0 ? needed : [...new Set([...needed, ...ahead])]
  }

  /** The commands behind the one that waits: of its entry, then of those that are queued. */
  *#upcoming(): Iterable<Upcoming<Command>> {
    const work = this.#work
    if (work?.payload?.kind === 'commands')
      yield* this.#commandsOf(work.payload, work.entry.index, work.nextOrdinal + 1)
    for (let at = this.#queueHead; at < this.#queue.length; at++) {
      const queued = this.#queue[at] as Queued<Command>
      if (queued.entry.kind !== EntryKind.command) continue
      queued.payload ??= decodePayload(this.#machine, queued.entry.payload)
      // What follows a change of the version may mean something only to the new one.
      if (queued.payload.kind === 'version') return
      if (queued.payload.kind === 'commands') yield* this.#commandsOf(queued.payload, queued.entry.index, 0)
    }
  }

  *#commandsOf(
    { commands, seed, timeMs }: EntryPayload<Command> & { readonly kind: 'commands' },
    index: LogIndex,
    from: number,
  ): Iterable<Upcoming<Command>> {
    const { machineVersion, timeMs: appliedMs } = this.#store.applied
    for (let ordinal = from; ordinal < commands.length; ordinal++) {
      const context = {
        timeMs: Math.max(timeMs, appliedMs),
        seed: commandSeed(seed, ordinal),
        machineVersion,
      }
      yield { place: index * PLACES_PER_ENTRY + ordinal, command: commands[ordinal] as Command, context }
    }
  }

  #yieldLoop(): void {
    this.#isBusy = true
    const generation = this.#generation
    this.#clock.setTimer(0, () => this.#goOn(generation))
  }

  #goOn(generation: number): void {
    if (generation !== this.#generation) return
    this.#isBusy = false
    this.run()
  }

  #isSliceOver(sliceEndMs: number): boolean {
    this.#commandsUntilClockRead -= 1
    if (this.#commandsUntilClockRead > 0) return false
    this.#commandsUntilClockRead = COMMANDS_PER_CLOCK_READ
    return this.#clock.monotonicMs() >= sliceEndMs
  }

  #fail(error: unknown): void {
    this.stop()
    this.#callbacks.onFailure(error)
  }
}

function isCheck(entry: Entry): boolean {
  return entry.kind === EntryKind.command && isCheckPayload(entry.payload)
}
