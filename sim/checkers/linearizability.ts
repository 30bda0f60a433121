/**
 * Is there an order of the operations that explains every answer, in which no operation takes
 * effect before it was asked or after it was answered (Herlihy and Wing, 1990)?
 *
 * The search of Wing and Gong with Lowe's memory of visited states: take any operation that may
 * come next, undo it when nothing fits behind it. Operations without an answer may take effect at
 * any later time, or never: they are tried only where no answered one fits, as late as possible
 * (an order in which one could as well come behind its successor, or be left out, is not followed),
 * and first with few of them in a row. Deterministic; `stepsMax` bounds each search, since the
 * problem is NP-complete: a history that needs more is `undecided`, which is not a pass.
 */
import assert from 'node:assert/strict'

export type Call<Input, Output> = {
  readonly client: string
  readonly input: Input
  readonly invokedAt: number
  /** null: no answer ever came, or one that says that the outcome is unknown. */
  readonly answer: { readonly at: number; readonly output: Output } | null
}

export type Model<State, Input, Output> = {
  readonly initial: State
  /** The state after the operation, or null when it can't have answered `output` (undefined: any answer). */
  readonly step: (state: State, input: Input, output: Output | undefined) => State | null
  /** Equal states have equal keys. */
  readonly keyOf: (state: State) => string
  /** Operations with equal names do the same; null: nothing is known. */
  readonly nameOf?: (input: Input) => string | null
  /** What the operation touches, as bits: operations without a common bit do not see each other. */
  readonly touches?: (input: Input) => number
}

export type Verdict = 'linearizable' | 'violated' | 'undecided'

/** Operations taken, those taken back included. */
const STEPS_MAX = 200_000
/** Unanswered operations that one search takes in a row; the last one takes any number. */
const RUNS_OF_UNANSWERED = [1, 4, Number.POSITIVE_INFINITY] as const

export function checkLinearizability<State, Input, Output>(
  calls: readonly Call<Input, Output>[],
  model: Model<State, Input, Output>,
  stepsMax: number = STEPS_MAX,
): Verdict {
  let verdict: Verdict = 'undecided'
  for (const runMax of RUNS_OF_UNANSWERED) {
    verdict = new Search(calls, model, stepsMax, runMax).run()
    if (verdict === 'linearizable') break
  }
  return verdict
}

/** An invocation or an answer in the doubly linked list of what is not yet explained. */
type Event = {
  readonly at: number
  /** -1: an answer. */
  readonly call: number
  /** The call that it invokes or answers; -1: none. */
  readonly owner: number
  readonly answer: Event | null
  previous: Event | null
  next: Event | null
}

const ALL_BITS = -1
const NO_CALLS: readonly number[] = []

/** What may be tried next: an event of the list, or, when that is an answer, an unanswered call. */
type Cursor = { readonly event: Event; readonly unanswered: number }
/** The unanswered calls taken since the last answered one, and the state before them. */
type Run<State> = { readonly before: State; readonly calls: readonly number[] }
type Taken<State> = { readonly cursor: Cursor; readonly state: State; readonly run: Run<State> }

class Search<State, Input, Output> {
  readonly #calls: readonly Call<Input, Output>[]
  readonly #model: Model<State, Input, Output>
  readonly #stepsMax: number
  readonly #runMax: number
  readonly #head: Event
  /** Calls without an answer, by invocation, and which of them are taken. */
  readonly #unanswered: readonly number[]
  /** By call: the unanswered call that does the same and was asked just before; -1: none. */
  readonly #twinBefore: Int32Array
  readonly #isTaken: Uint8Array
  /** By state, and the answered calls taken: the sets of unanswered ones with which it led nowhere. */
  readonly #visited = new Map<string, bigint[]>()
  #unansweredTaken = 0n
  readonly #bitOf: ReadonlyMap<number, bigint>
  #answersLeft = 0
  /** What unanswered calls must touch to be tried at the present answer. */
  #wanted = ALL_BITS
  /** null: something was taken, or taken back, since. */
  #wantedFor: Event | null = null
  /** Of the set of answered calls that are taken. */
  #hashA = 0
  #hashB = 0

  constructor(
    calls: readonly Call<Input, Output>[],
    model: Model<State, Input, Output>,
    stepsMax: number,
    runMax: number,
  ) {
    this.#calls = calls
    this.#model = model
    this.#stepsMax = stepsMax
    this.#runMax = runMax
    this.#isTaken = new Uint8Array(calls.length)
    this.#head = makeEvents(calls)
    this.#unanswered = [...calls.keys()]
      .filter((index) => calls[index]?.answer === null)
      .sort((left, right) => this.#call(left).invokedAt - this.#call(right).invokedAt)
    this.#answersLeft = calls.length - this.#unanswered.length
    this.#bitOf = new Map(this.#unanswered.map((index, at) => [index, 1n << BigInt(at)]))
    this.#twinBefore = findTwins(this.#unanswered, (index) => model.nameOf?.(this.#call(index).input) ?? null)
  }

  run(): Verdict {
    const undo: Taken<State>[] = []
    let state = this.#model.initial
    let run: Run<State> = { before: state, calls: NO_CALLS }
    let cursor = this.#first()
    for (let steps = 0; steps < this.#stepsMax; ) {
      if (this.#answersLeft === 0) return 'linearizable'
      assert(cursor !== null, 'an answer is always behind its invocation')
      const isAnswered = cursor.event.call >= 0
      const isDeadEnd = !isAnswered && !this.#mayTakeUnanswered(cursor, run.calls.length)
      if (isDeadEnd) {
        const last = undo.pop()
        if (last === undefined) return 'violated'
        this.#putBack(last.cursor)
        state = last.state
        run = last.run
        cursor = this.#after(last.cursor)
        continue
      }
      const next = this.#tryTake(cursor, state, run)
      if (next === null) {
        cursor = this.#after(cursor)
        continue
      }
      steps += 1
      undo.push({ cursor, state, run })
      state = next
      run = isAnswered
        ? { before: state, calls: NO_CALLS }
        : { before: run.before, calls: [...run.calls, this.#indexAt(cursor)] }
      cursor = this.#first()
    }
    return 'undecided'
  }

  #touched(index: number): number {
    return this.#model.touches?.(this.#call(index).input) ?? ALL_BITS
  }

  /**
   * What may help the operation whose answer comes next: what touches the same, or the same as an
   * operation that does and may come before it. The last search takes everything.
   */
  #wantedAt(answer: Event): number {
    if (!Number.isFinite(this.#runMax)) return ALL_BITS
    const first = this.#touched(answer.owner)
    let wanted = first
    for (let event = this.#head.next; event !== null && event !== answer; event = event.next) {
      const touched = this.#touched(event.call)
      if ((touched & first) !== 0) wanted |= touched
    }
    return wanted
  }

  #call(index: number): Call<Input, Output> {
    return this.#calls[index] as Call<Input, Output>
  }

  #first(): Cursor | null {
    return this.#head.next === null ? null : { event: this.#head.next, unanswered: 0 }
  }

  #after({ event, unanswered }: Cursor): Cursor | null {
    if (event.call < 0) return { event, unanswered: unanswered + 1 }
    return event.next === null ? null : { event: event.next, unanswered: 0 }
  }

  /** False when the unanswered calls that may come before this answer are all tried. */
  #mayTakeUnanswered({ event, unanswered }: Cursor, run: number): boolean {
    if (this.#wantedFor !== event) {
      this.#wanted = this.#wantedAt(event)
      this.#wantedFor = event
    }
    const index = this.#unanswered[unanswered]
    return run < this.#runMax && index !== undefined && this.#call(index).invokedAt < event.at
  }

  /** The state after it, if it fits and leads somewhere new. */
  #tryTake(cursor: Cursor, state: State, run: Run<State>): State | null {
    const { event } = cursor
    const index = this.#indexAt(cursor)
    if (this.#isTaken[index] === 1) return null
    if (event.call < 0 && (this.#touched(index) & this.#wanted) === 0) return null
    // Of two that do the same, the one that was asked first does as well.
    const twin = event.call >= 0 ? -1 : (this.#twinBefore[index] as number)
    if (twin >= 0 && this.#isTaken[twin] === 0) return null
    const call = this.#call(index)
    const next = this.#model.step(state, call.input, call.answer?.output)
    if (next === null) return null
    const key = this.#model.keyOf(next)
    // Nothing would change, and it may still be of use later.
    if (call.answer === null && key === this.#model.keyOf(state)) return null
    if (run.calls.some((_, at) => this.#isTooEarly(run, at, index, key))) return null
    this.#flip(index)
    const isLimited = Number.isFinite(this.#runMax) && call.answer === null
    const runLength = isLimited ? run.calls.length + 1 : 0
    if (!this.#visit(`${this.#hashA},${this.#hashB},${runLength}/${key}`)) {
      this.#flip(index)
      return null
    }
    if (event.call >= 0) {
      unlink(event)
      unlink(event.answer as Event)
      this.#answersLeft -= 1
    }
    return next
  }

  /** False when it was here before with the same left to take, or with more. */
  #visit(mark: string): boolean {
    const taken = this.#unansweredTaken
    const before = this.#visited.get(mark) ?? []
    if (before.some((other) => (other & ~taken) === 0n)) return false
    this.#visited.set(mark, [...before.filter((other) => (taken & ~other) !== 0n), taken])
    return true
  }

  /**
   * True when call `at` of the run need not come before `next`, which leads to the state `key`: the
   * same is reached without it, or with it behind `next`.
   */
  #isTooEarly(run: Run<State>, at: number, next: number, key: string): boolean {
    const moved = run.calls[at] as number
    const isAnswered = this.#call(next).answer !== null
    let state: State | null = run.before
    for (const [place, index] of run.calls.entries()) {
      if (place !== at) state = state === null ? null : this.#step(state, index)
    }
    state = state === null ? null : this.#step(state, next)
    if (state === null) return false
    if (this.#model.keyOf(state) === key) return true
    // Of two unanswered calls in either order, the order of their invocation is followed.
    const isOrdered = at !== run.calls.length - 1 || this.#call(moved).invokedAt < this.#call(next).invokedAt
    if (!isAnswered && isOrdered) return false
    state = this.#step(state, moved)
    return state !== null && this.#model.keyOf(state) === key
  }

  #step(state: State, index: number): State | null {
    const call = this.#call(index)
    return this.#model.step(state, call.input, call.answer?.output)
  }

  #indexAt({ event, unanswered }: Cursor): number {
    return event.call >= 0 ? event.call : (this.#unanswered[unanswered] as number)
  }

  #putBack(cursor: Cursor): void {
    const { event } = cursor
    this.#flip(this.#indexAt(cursor))
    if (event.call < 0) return
    relink(event.answer as Event)
    relink(event)
    this.#answersLeft += 1
  }

  #flip(index: number): void {
    this.#wantedFor = null
    this.#isTaken[index] = 1 - (this.#isTaken[index] as number)
    const bit = this.#bitOf.get(index)
    if (bit !== undefined) {
      this.#unansweredTaken ^= bit
      return
    }
    this.#hashA ^= mix(index * 2 + 1)
    this.#hashB ^= mix(index * 2 + 2)
  }
}

function findTwins(unanswered: readonly number[], nameOf: (index: number) => string | null): Int32Array {
  const twins = new Int32Array(Math.max(0, ...unanswered) + 1).fill(-1)
  const last = new Map<string, number>()
  for (const index of unanswered) {
    const name = nameOf(index)
    if (name === null) continue
    twins[index] = last.get(name) ?? -1
    last.set(name, index)
  }
  return twins
}

function mix(word: number): number {
  let mixed = Math.imul(word, 0x9e37_79b1)
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x85eb_ca77)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2_ae3d)
  return mixed ^ (mixed >>> 16)
}

/** Answered calls: invocations and answers in the order of time, behind a head that is neither. */
function makeEvents<Input, Output>(calls: readonly Call<Input, Output>[]): Event {
  const timed: { readonly order: number; readonly event: Event }[] = []
  calls.forEach(({ answer, invokedAt }, index) => {
    if (answer === null) return
    assert(answer.at >= invokedAt, 'an answer before its question')
    const end: Event = { at: answer.at, call: -1, owner: index, answer: null, previous: null, next: null }
    timed.push({ order: 1, event: end })
    timed.push({
      order: 0,
      event: { at: invokedAt, call: index, owner: index, answer: end, previous: null, next: null },
    })
  })
  // At one instant invocations come first: then the operations overlap, the weaker demand.
  timed.sort((left, right) => left.event.at - right.event.at || left.order - right.order)
  const head: Event = {
    at: Number.NEGATIVE_INFINITY,
    call: -1,
    owner: -1,
    answer: null,
    previous: null,
    next: null,
  }
  let last = head
  for (const { event } of timed) {
    last.next = event
    event.previous = last
    last = event
  }
  return head
}

function unlink(event: Event): void {
  if (event.previous !== null) event.previous.next = event.next
  if (event.next !== null) event.next.previous = event.previous
}

function relink(event: Event): void {
  if (event.previous !== null) event.previous.next = event
  if (event.next !== null) event.next.previous = event
}
