/**
 * Is there an order of the operations that explains every answer, in which no operation takes
 * effect before it was asked or after it was answered (Herlihy and Wing, 1990)?
 *
 * The search of Wing and Gong with Lowe's memory of visited states: take any operation that may
 * come next, undo it when nothing fits behind it. Operations without an answer may take effect at
 * any later time, or never. Deterministic; `stepsMax` bounds the search, since the problem is
 * NP-complete: a history that needs more is answered `undecided`, which is not a pass.
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
}

export type Verdict = 'linearizable' | 'violated' | 'undecided'

const STEPS_MAX = 2_000_000

export function checkLinearizability<State, Input, Output>(
  calls: readonly Call<Input, Output>[],
  model: Model<State, Input, Output>,
  stepsMax: number = STEPS_MAX,
): Verdict {
  return new Search(calls, model, stepsMax).run()
}

/** An invocation or an answer in the doubly linked list of what is not yet explained. */
type Event = {
  readonly call: number
  readonly answer: Event | null
  previous: Event | null
  next: Event | null
}

class Search<State, Input, Output> {
  readonly #calls: readonly Call<Input, Output>[]
  readonly #model: Model<State, Input, Output>
  readonly #stepsMax: number
  readonly #head: Event
  readonly #taken: Uint32Array
  readonly #visited = new Set<string>()
  #unanswered = 0

  constructor(calls: readonly Call<Input, Output>[], model: Model<State, Input, Output>, stepsMax: number) {
    this.#calls = calls
    this.#model = model
    this.#stepsMax = stepsMax
    this.#taken = new Uint32Array(Math.ceil(calls.length / 32))
    this.#head = makeEvents(calls)
    for (const call of calls) if (call.answer !== null) this.#unanswered += 1
  }

  run(): Verdict {
    const undo: { readonly event: Event; readonly state: State }[] = []
    let state = this.#model.initial
    let event = this.#head.next
    for (let steps = 0; steps < this.#stepsMax; steps++) {
      if (this.#unanswered === 0) return 'linearizable'
      assert(event !== null, 'an answer is always behind its invocation')
      const next = this.#tryTake(event, state)
      if (next !== null) {
        undo.push({ event, state })
        state = next
        event = this.#head.next
        continue
      }
      // An answer: every operation that could come before it was tried. Take the last one back.
      if (!isInvocation(event)) {
        const last = undo.pop()
        if (last === undefined) return 'violated'
        this.#putBack(last.event)
        state = last.state
        event = last.event.next
        continue
      }
      event = event.next
    }
    return 'undecided'
  }

  /** The state after it, if it fits and leads somewhere new. */
  #tryTake(event: Event, state: State): State | null {
    if (!isInvocation(event)) return null
    const call = this.#calls[event.call] as Call<Input, Output>
    const next = this.#model.step(state, call.input, call.answer?.output)
    if (next === null) return null
    this.#flip(event.call)
    const mark = `${this.#taken.join()}/${this.#model.keyOf(next)}`
    if (this.#visited.has(mark)) {
      this.#flip(event.call)
      return null
    }
    this.#visited.add(mark)
    unlink(event)
    if (event.answer !== null) {
      unlink(event.answer)
      this.#unanswered -= 1
    }
    return next
  }

  #putBack(event: Event): void {
    this.#flip(event.call)
    if (event.answer !== null) {
      relink(event.answer)
      this.#unanswered += 1
    }
    relink(event)
  }

  #flip(call: number): void {
    this.#taken[call >>> 5] = ((this.#taken[call >>> 5] as number) ^ (1 << (call & 31))) >>> 0
  }
}


/** A list of all invocations and answers in the order of time, behind a head that is neither. */
function makeEvents<Input, Output>(calls: readonly Call<Input, Output>[]): Event {
  const timed: { readonly at: number; readonly order: number; readonly event: Event }[] = []
  calls.forEach((call, index) => {
    const answer: Event = { call: -1, answer: null, previous: null, next: null }
    const isAnswered = call.answer !== null
    timed.push({ at: call.invokedAt, order: 0, event: { call: index, answer: isAnswered ? answer : null, previous: null, next: null } })
    if (call.answer !== null) {
      assert(call.answer.at >= call.invokedAt, 'an answer before its question')
      timed.push({ at: call.answer.at, order: 1, event: answer })
    }
  })
  // At one instant invocations come first: then the operations overlap, the weaker demand.
  timed.sort((left, right) => left.at - right.at || left.order - right.order)
  const head: Event = { call: -1, answer: null, previous: null, next: null }
  let last = head
  for (const { event } of timed) {
    last.next = event
    event.previous = last
    last = event
  }
  return head
}

function isInvocation(event: Event): boolean {
  return event.call >= 0
}

function unlink(event: Event): void {
  if (event.previous !== null) event.previous.next = event.next
  if (event.next !== null) event.next.previous = event.previous
}

function relink(event: Event): void {
  if (event.previous !== null) event.previous.next = event
  if (event.next !== null) event.next.previous = event
}
