/**
 * Virtual time: one queue of events for the whole simulated world.
 *
 * Between two events every microtask is drained, however long its chain, so that a promise never
 * races with time: a run is a function of its seed. Events run one after the other in one real turn
 * (`drain` says how); another one is begun now and then, so that timeouts and signals still work.
 *
 * The trace hash covers the time, kind and number of every event and whatever `trace` is given: two
 * runs of one seed that differ anywhere differ there.
 */
import assert from 'node:assert/strict'
import { EventHeap, type SimEvent } from './event-heap.ts'

/** One more callback at the end of one turn means that they call each other forever. */
const MAX_TURN_ROUNDS = 10_000
/** Events without a step of time beyond this are a loop. */
const MAX_EVENTS_AT_ONE_TIME = 1_000_000
const EVENTS_PER_REAL_TURN = 1_024

export interface Scheduler {
  /** Virtual milliseconds since the start, in whole microseconds. */
  readonly nowMs: number
  readonly eventCount: number
  /** Runs as an event of its own, `delayMs` from now (0: after everything already due). */
  after(delayMs: number, tag: EventTag, run: () => void): Scheduled
  /** Runs when the current event and its microtasks are done, at the same time, before any other event. */
  endOfTurn(run: () => void): void
  /** Runs after everything that `endOfTurn` queued. Only for what hands bytes to the network. */
  flushAfterTurn(run: () => void): void
  /** Makes `value` part of the trace hash. */
  trace(value: number): void
  traceHash(): string
  /** One at a time. Rejects with the error that an event threw. */
  run(options?: RunOptions): Promise<RunEnd>
}

export interface Scheduled {
  cancel(): void
}

export type RunOptions = {
  /** Virtual time at which the run stops, after the events due then. */
  readonly untilMs?: number
  /** Checked after each event. */
  readonly until?: () => boolean
  readonly maxEvents?: number
}

export type RunEnd = 'time' | 'condition' | 'idle' | 'events'

declare const eventTagBrand: unique symbol
export type EventTag = number & { readonly [eventTagBrand]: true }

export type EventObserver = (event: {
  readonly timeMs: number
  readonly sequence: number
  readonly kind: string
}) => void

const kindsOfTags = new Map<number, string>()

/** The number that stands for a kind of event in the trace. Call it once per kind, not per event. */
export function eventTag(kind: string): EventTag {
  let hash = 0x811c9dc5
  for (let index = 0; index < kind.length; index++) {
    hash = Math.imul(hash ^ kind.charCodeAt(index), 0x01000193)
  }
  const known = kindsOfTags.get(hash)
  assert(known === undefined || known === kind, `event kinds ${known} and ${kind} collide: rename one`)
  kindsOfTags.set(hash, kind)
  return hash as EventTag
}

/** `observe` sees every event before it runs: to find where two runs part. */
export function createScheduler(options: { readonly observe?: EventObserver } = {}): Scheduler {
  return new VirtualScheduler(options.observe ?? null)
}

/**
 * Runs all microtasks and ticks now, as Node itself does behind each callback of its event loop. That
 * function has no public name; to wait for it instead (a promise, then a tick, per event and per end of
 * turn) takes six times as long. Does nothing inside a microtask: `#work` is only ever called by the loop.
 */
const { _tickCallback: drain } = process as unknown as { readonly _tickCallback: () => void }
assert(typeof drain === 'function', 'this version of Node keeps its function that runs microtasks to itself')

class ScheduledEvent implements SimEvent, Scheduled {
  readonly timeUs: number
  readonly sequence: number
  readonly tag: number
  run: (() => void) | null
  readonly #heap: EventHeap

  constructor(timeUs: number, sequence: number, tag: number, run: () => void, heap: EventHeap) {
    this.timeUs = timeUs
    this.sequence = sequence
    this.tag = tag
    this.run = run
    this.#heap = heap
  }

  cancel(): void {
    this.#heap.cancel(this)
  }
}

class VirtualScheduler implements Scheduler {
  readonly #heap = new EventHeap()
  readonly #observe: EventObserver | null
  #turnRuns: (() => void)[] = []
  #turnFlushes: (() => void)[] = []
  #turnRounds = 0
  #nowUs = 0
  #sequence = 0
  #eventCount = 0
  #eventsAtThisTime = 0
  #hashA = 0x9e3779b9 | 0
  #hashB = 0x7f4a7c15 | 0
  #active: ActiveRun | null = null
  readonly #work = (): void => this.#runEvents()

  constructor(observe: EventObserver | null) {
    this.#observe = observe
  }

  get nowMs(): number {
    return this.#nowUs / 1000
  }

  get eventCount(): number {
    return this.#eventCount
  }

  after(delayMs: number, tag: EventTag, run: () => void): Scheduled {
    if (!(delayMs >= 0 && Number.isFinite(delayMs))) assert.fail(`delay out of range: ${delayMs} ms`)
    const timeUs = this.#nowUs + Math.ceil(delayMs * 1000)
    const event = new ScheduledEvent(timeUs, this.#sequence++, tag, run, this.#heap)
    this.#heap.push(event)
    return event
  }

  endOfTurn(run: () => void): void {
    this.#turnRuns.push(run)
  }

  flushAfterTurn(run: () => void): void {
    this.#turnFlushes.push(run)
  }

  trace(value: number): void {
    this.#hashA = Math.imul(this.#hashA ^ value, 0x85ebca6b)
    this.#hashA ^= this.#hashA >>> 13
    this.#hashB = Math.imul((this.#hashB + value) | 0, 0xc2b2ae35)
    this.#hashB ^= this.#hashB >>> 16
  }

  traceHash(): string {
    return hex(this.#hashA) + hex(this.#hashB)
  }

  run(options: RunOptions = {}): Promise<RunEnd> {
    assert(this.#active === null, 'the scheduler is running already')
    return new Promise((resolve, reject) => {
      this.#active = {
        untilUs: Math.round((options.untilMs ?? Number.POSITIVE_INFINITY) * 1000),
        until: options.until ?? null,
        eventLimit: this.#eventCount + (options.maxEvents ?? Number.MAX_SAFE_INTEGER),
        resolve,
        reject,
      }
      setImmediate(this.#work)
    })
  }

  #runEvents(): void {
    const active = this.#active
    assert(active !== null)
    const restAt = this.#eventCount + EVENTS_PER_REAL_TURN
    try {
      while (this.#eventCount < restAt) {
        drain()
        if (this.#runTurnEnd()) continue
        const end = this.#endOf(active)
        if (end === null) continue
        this.#active = null
        active.resolve(end)
        return
      }
      setImmediate(this.#work)
    } catch (error) {
      this.#active = null
      active.reject(error)
    }
  }

  /** True when callbacks ran that may have queued microtasks. */
  #runTurnEnd(): boolean {
    if (this.#turnRuns.length > 0) {
      assert(++this.#turnRounds <= MAX_TURN_ROUNDS, 'the end of a turn queues itself without end')
      const runs = this.#turnRuns
      this.#turnRuns = []
      for (const run of runs) run()
      return true
    }
    if (this.#turnFlushes.length > 0) {
      const flushes = this.#turnFlushes
      this.#turnFlushes = []
      for (const flush of flushes) flush()
    }
    this.#turnRounds = 0
    return this.#turnRuns.length > 0
  }

  /** Runs the next event and gives null, or says why the run is over. */
  #endOf(active: ActiveRun): RunEnd | null {
    if (active.until?.() === true) return 'condition'
    if (this.#eventCount >= active.eventLimit) return 'events'
    const next = this.#heap.peek()
    if (next === null || next.timeUs > active.untilUs) {
      if (active.untilUs === Number.POSITIVE_INFINITY) return 'idle'
      this.#nowUs = Math.max(this.#nowUs, active.untilUs)
      return 'time'
    }
    this.#heap.pop()
    this.#perform(next)
    return null
  }

  #perform(event: SimEvent): void {
    const { run } = event
    assert(run !== null && event.timeUs >= this.#nowUs)
    event.run = null
    if (event.timeUs > this.#nowUs) this.#eventsAtThisTime = 0
    if (++this.#eventsAtThisTime > MAX_EVENTS_AT_ONE_TIME) assert.fail('events without end at one moment')
    this.#nowUs = event.timeUs
    this.#eventCount++
    this.trace(event.timeUs | 0)
    this.trace(event.tag ^ event.sequence)
    if (this.#observe !== null) {
      const kind = kindsOfTags.get(event.tag) ?? 'unknown'
      this.#observe({ timeMs: this.nowMs, sequence: event.sequence, kind })
    }
    run()
  }
}

type ActiveRun = {
  readonly untilUs: number
  readonly until: (() => boolean) | null
  readonly eventLimit: number
  readonly resolve: (end: RunEnd) => void
  readonly reject: (error: unknown) => void
}

function hex(value: number): string {
  return (value >>> 0).toString(16).padStart(8, '0')
}
