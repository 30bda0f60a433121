/**
 * Applies committed entries in log order, and answers whoever proposed them here.
 *
 * One entry at a time, one command at a time. When a command needs data that is not in memory the
 * applier fetches and runs it again; meanwhile nothing else is applied, and reads of older state
 * go on. It yields the main loop after `SLICE_MS` of work.
 *
 * Failure model: an entry that can't be decoded, a machine that throws and an engine that fails all
 * stop the applier for good (`onFailure`): a local failure never becomes the result of a command.
 */
import assert from 'node:assert/strict'
import { type Entry, EntryKind, type LogIndex, type LogPosition } from '../base/log-entry.ts'
import type { Context, Done, Machine, Need } from '../base/machine.ts'
import type { Clock } from '../env/clock.ts'
import { commandSeed, decodePayload, type EntryPayload } from './entry-payload.ts'
import { ExecutionView, needOf } from './execution.ts'
import type { StateStore } from './state-store.ts'

/** Main-loop time one slice of applying may take before other events get their turn. */
const SLICE_MS = 4
/** Commands between two looks at the clock. */
const COMMANDS_PER_CLOCK_READ = 32

/** The proposer's own copy of an entry: commands need no decoding, replies have somebody to go to. */
export type LocalEntry<Command, Reply> = {
  readonly payload: EntryPayload<Command>
  readonly onReply: (ordinal: number, reply: Reply) => void
}

export type ApplierCallbacks<Command, Reply> = {
  /** The entry at this position if it was proposed here, else null. Called once per applied entry, in order. */
  readonly takeLocal: (position: LogPosition) => LocalEntry<Command, Reply> | null
  readonly onApplied: (index: LogIndex) => void
  readonly onCheck: (index: LogIndex, digest: string) => void
  readonly onFailure: (error: unknown) => void
}

type Work<Command, Reply> = {
  readonly entry: Entry
  readonly payload: EntryPayload<Command> | null
  readonly local: LocalEntry<Command, Reply> | null
  nextOrdinal: number
}

export class Applier<Command, Reply> {
  readonly #machine: Machine<Command, Reply>
  readonly #store: StateStore
  readonly #clock: Clock
  readonly #callbacks: ApplierCallbacks<Command, Reply>
  readonly #view: ExecutionView
  #queue: Entry[] = []
  #queueHead = 0
  #work: Work<Command, Reply> | null = null
  #isBusy = false
  #isStopped = false
  #commandsUntilClockRead = COMMANDS_PER_CLOCK_READ

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

  get queuedEntries(): number {
    return this.#queue.length - this.#queueHead + (this.#work === null ? 0 : 1)
  }

  enqueue(entries: readonly Entry[]): void {
    for (const entry of entries) this.#queue.push(entry)
    this.run()
  }

  /** Goes on if it can; also called when the store has room again. */
  run(): void {
    if (this.#isBusy || this.#isStopped) return
    try {
      this.#runSlice()
    } catch (error) {
      this.#fail(error)
    }
  }

  stop(): void {
    this.#isStopped = true
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
    const entry = this.#queue[this.#queueHead]
    if (entry === undefined) return null
    this.#queueHead += 1
    if (this.#queueHead === this.#queue.length) {
      this.#queue = []
      this.#queueHead = 0
    }
    assert(entry.index === this.#store.applied.position.index + 1, 'committed entries are consecutive')
    const local = this.#callbacks.takeLocal(entry)
    const payload =
      entry.kind !== EntryKind.command
        ? null
        : (local?.payload ?? decodePayload(this.#machine, entry.payload))
    return { entry, payload, local, nextOrdinal: 0 }
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
    if (outcome.kind === 'need') return outcome
    const unknown = this.#store.unknownOldValues(outcome.writes, outcome.clearsData, this.#view.fetched)
    if (unknown.length > 0) return needOf(unknown)
    this.#store.write(outcome.writes, outcome.clearsData, this.#view.fetched)
    if (this.#view.fetched !== null) this.#view.reset()
    work.local?.onReply(work.nextOrdinal, outcome.reply)
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
    if (payload?.kind === 'check') this.#callbacks.onCheck(entry.index, this.#store.digest())
    this.#callbacks.onApplied(entry.index)
  }

  #waitFor(need: Need): void {
    this.#isBusy = true
    this.#view.fulfil(need.keys, need.ranges).then(
      () => this.#resume(),
      (error) => this.#fail(error),
    )
  }

  #yieldLoop(): void {
    this.#isBusy = true
    this.#clock.endOfTurn(() => this.#resume())
  }

  #resume(): void {
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
    this.#isBusy = false
    this.#isStopped = true
    this.#callbacks.onFailure(error)
  }
}
