/**
 * Redis requests for the load loop: a batch is formatted once, and before each sending only the
 * digits of its keys are written over.
 */
import assert from 'node:assert/strict'
import { ReplyCounter } from './reply-counter.ts'
import { KEY_DIGITS, type KeyOrder, type Requests, randomText, writeKeyDigits } from './requests.ts'

/** The words of one request; KEY_DIGITS in them becomes the number of a key. */
export type RequestWords = (value: string) => readonly string[]

export const LOAD_TESTS = {
  ping: () => ['PING'],
  set: (value) => ['SET', `bench:key:${KEY_DIGITS}`, value],
  get: () => ['GET', `bench:key:${KEY_DIGITS}`],
  incr: () => ['INCR', `bench:counter:${KEY_DIGITS}`],
  hset: (value) => ['HSET', 'bench:hash', `field:${KEY_DIGITS}`, value],
} as const satisfies Readonly<Record<string, RequestWords>>

export type LoadTest = keyof typeof LOAD_TESTS

/** A command after each batch whose integer reply must be at least `atLeast`: until then nothing of the batch counts as answered. */
export type Fence = { readonly words: readonly string[]; readonly atLeast: number }

export type RespRequestsOptions = {
  readonly words: RequestWords
  readonly pipeline: number
  readonly valueBytes: number
  readonly keys: KeyOrder
  readonly seed: number
  readonly fence?: Fence
}

export function createRespRequests(options: RespRequestsOptions): Requests {
  return new RespRequests(options)
}

class RespRequests implements Requests {
  readonly preface = null
  readonly #counter = new ReplyCounter()
  readonly #keys: KeyOrder
  readonly #batch: Buffer
  /** End of each request of the batch. */
  readonly #ends: readonly number[]
  /** Where digits stand, request by request. */
  readonly #digits: readonly (readonly number[])[]
  readonly #fence: Fence | null
  readonly #fenceBytes: Buffer
  #unanswered = 0
  #repliesMissing = 0
  #unmetFences = 0

  constructor({ words, pipeline, valueBytes, keys, seed, fence }: RespRequestsOptions) {
    assert(pipeline >= 1)
    this.#keys = keys
    const texts = Array.from({ length: pipeline }, (_, at) =>
      formatRequest(words(randomText(valueBytes, seed * pipeline + at))),
    )
    this.#fence = fence ?? null
    this.#fenceBytes = Buffer.from(fence === undefined ? '' : formatRequest(fence.words), 'latin1')
    this.#batch = Buffer.from(texts.join(''), 'latin1')
    const ends: number[] = []
    const digits: number[][] = []
    for (const text of texts) {
      const start = ends.at(-1) ?? 0
      digits.push(positionsOf(KEY_DIGITS, text).map((position) => start + position))
      ends.push(start + text.length)
    }
    this.#ends = ends
    this.#digits = digits
  }

  get errors(): number {
    return this.#counter.errors + this.#unmetFences
  }

  get absent(): number {
    return this.#counter.nulls
  }

  get firstError(): string | null {
    const { firstError } = this.#counter
    if (firstError !== null || this.#unmetFences === 0) return firstError
    return `${this.#fence?.words.join(' ')} was answered with less than ${this.#fence?.atLeast}`
  }

  next(count: number): Uint8Array {
    assert(count >= 1 && count <= this.#ends.length)
    assert(this.#unanswered === 0, 'a batch is sent when the one before is answered')
    for (let at = 0; at < count; at++) {
      const positions = this.#digits[at] as readonly number[]
      if (positions.length > 0) {
        const key = this.#keys()
        for (const position of positions) writeKeyDigits(this.#batch, position, key)
      }
    }
    this.#unanswered = count
    const requests = this.#batch.subarray(0, this.#ends[count - 1])
    if (this.#fence === null) return requests
    this.#repliesMissing = count + 1
    return Buffer.concat([requests, this.#fenceBytes])
  }

  receive(chunk: Buffer, length: number): number {
    const replies = this.#counter.receive(chunk, length)
    if (this.#fence === null) {
      assert(replies <= this.#unanswered, 'the server answered more than it was asked')
      this.#unanswered -= replies
      return replies
    }
    this.#repliesMissing -= replies
    if (this.#repliesMissing > 0) return 0
    if (this.#counter.lastInteger < this.#fence.atLeast) this.#unmetFences += 1
    const completed = this.#unanswered
    this.#unanswered = 0
    return completed
  }

  takeUrgent(): null {
    return null
  }
}

export function formatRequest(words: readonly string[]): string {
  return `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join('')}`
}

function positionsOf(needle: string, text: string): readonly number[] {
  const positions: number[] = []
  for (let at = text.indexOf(needle); at !== -1; at = text.indexOf(needle, at + needle.length))
    positions.push(at)
  return positions
}
