/**
 * What clients asked and were answered, in the order in which it happened, one history per group of
 * keys that commands use together.
 *
 * Time is a count of these events, not the clock: two events at one virtual moment have an order.
 */
import assert from 'node:assert/strict'
import { type Call, checkLinearizability, type Verdict } from '../checkers/linearizability.ts'
import { type KeyAnswer, type KeyOperation, lengthOf, makeKeyModel } from './key-model.ts'

export type KeyCall = Call<KeyOperation, KeyAnswer>

type OpenCall = {
  readonly client: string
  readonly input: KeyOperation
  readonly invokedAt: number
  readonly invokedMs: number
  answer: { readonly at: number; readonly output: KeyAnswer } | null
  answeredMs: number
  /** The server said that it did not happen, or nobody cares whether it did. */
  isVoid: boolean
}

export type Invocation = {
  answered(output: KeyAnswer): void
  /** It did not happen: the server said so. */
  refused(): void
  /** It may happen at any time from its invocation on, or never. */
  unknown(): void
}

/** Most histories need a few thousand; a rare one with a hundred unknown outcomes takes a minute. */
const STEPS_FIRST = 50_000
const STEPS_LAST = 1_000_000

export class KeyHistory {
  readonly keyCount: number
  readonly #nowMs: () => number
  readonly #calls: OpenCall[] = []
  #time = 0
  /** Writes that clients asked for and that may or may not have happened: what makes histories hard to explain. */
  unknownWrites = 0

  constructor(keyCount: number, nowMs: () => number) {
    this.keyCount = keyCount
    this.#nowMs = nowMs
  }

  get calls(): readonly KeyCall[] {
    return this.#calls.filter((call) => !call.isVoid)
  }

  get answered(): number {
    return this.#calls.filter((call) => call.answer !== null && call.input.kind !== 'expire').length
  }

  get unknown(): number {
    return this.calls.filter((call) => call.answer === null).length
  }

  invoke(client: string, input: KeyOperation): Invocation {
    const call: OpenCall = {
      client,
      input,
      invokedAt: ++this.#time,
      invokedMs: this.#nowMs(),
      answer: null,
      answeredMs: Number.POSITIVE_INFINITY,
      isVoid: false,
    }
    this.#calls.push(call)
    let isOpen = true
    const end = (): void => {
      assert(isOpen, 'an operation ends once')
      isOpen = false
    }
    return {
      answered: (output) => {
        end()
        call.answer = { at: ++this.#time, output }
        call.answeredMs = this.#nowMs()
      },
      refused: () => {
        end()
        call.isVoid = true
      },
      unknown: () => {
        end()
        // A read that nobody saw the answer of says nothing.
        call.isVoid = input.kind === 'get'
        if (input.kind !== 'get' && input.kind !== 'expire') this.unknownWrites += 1
      },
    }
  }

  check(): Verdict {
    return checkKeyCalls(this.calls, this.keyCount)
  }

  /** The last calls, for people. */
  story(count: number): string {
    return this.#calls
      .filter((call) => !call.isVoid)
      .slice(-count)
      .map(describe)
      .join('\n')
  }
}

export function checkKeyCalls(calls: readonly KeyCall[], keyCount: number): Verdict {
  const model = makeKeyModel(keyCount)
  // What was never answered need not have happened: an explanation without the values that nobody
  // ever saw is one, and found much sooner.
  const seen = calls.map((call) => call.answer?.output ?? '').join(' ')
  const lengths = new Set(calls.map(lengthAppendedTo))
  const likely = calls.filter((call) => call.answer !== null || isSeen(call.input, seen, lengths))
  let verdict: Verdict = 'undecided'
  for (const [candidates, stepsMax] of [
    [likely, STEPS_FIRST],
    [likely, STEPS_LAST],
    [calls, STEPS_LAST],
  ] as const) {
    verdict = checkLinearizability(candidates, model, stepsMax)
    if (verdict === 'linearizable') break
  }
  return verdict
}

/** How long the value was that this answered call appended to; -1: it tells nothing of that. */
function lengthAppendedTo({ input, answer }: KeyCall): number {
  return input.kind === 'append' && answer !== null ? Number(answer.output) - lengthOf(input.value) : -1
}

function isSeen(operation: KeyOperation, seen: string, lengths: ReadonlySet<number>): boolean {
  if (operation.kind === 'append') return seen.includes(operation.value)
  // A value with an expiry is seen by its absence.
  if (operation.kind !== 'set' || operation.expires !== 0) return true
  return operation.writes.some(([, value]) => seen.includes(value) || lengths.has(lengthOf(value)))
}

function describe(call: OpenCall): string {
  const answer = call.answer === null ? '?' : shorten(call.answer.output)
  const to = call.answer === null ? '…' : call.answeredMs.toFixed(1)
  return `${call.invokedMs.toFixed(1)}–${to} ${call.client} ${shorten(JSON.stringify(call.input))} → ${answer}`
}

function shorten(text: string): string {
  return text.length > 200 ? `${text.slice(0, 80)}…${text.slice(-80)}` : text
}
