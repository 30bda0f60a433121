/**
 * Appends sent to one peer and not yet acknowledged: a queue bounded by count and by bytes.
 *
 * Every byte that enters leaves again, by acknowledgement or by `clear`; a byte that stays for ever
 * would stall the peer for ever.
 */
import assert from 'node:assert/strict'
import type { LogIndex } from '../base/log-entry.ts'

const INITIAL_SLOTS = 8

export class Inflights {
  readonly #maxMessages: number
  readonly #maxBytes: number
  /** A ring: message i ends at log index `#lastIndexes[i]` and carries `#sizes[i]` payload bytes. */
  #lastIndexes: number[] = new Array<number>(INITIAL_SLOTS).fill(0)
  #sizes: number[] = new Array<number>(INITIAL_SLOTS).fill(0)
  #head = 0
  #count = 0
  #bytes = 0

  constructor(maxMessages: number, maxBytes: number) {
    assert(maxMessages >= 1 && maxBytes >= 1)
    this.#maxMessages = maxMessages
    this.#maxBytes = maxBytes
  }

  get count(): number {
    return this.#count
  }

  get bytes(): number {
    return this.#bytes
  }

  /** A message larger than the byte limit may travel, alone. */
  hasRoomFor(bytes: number): boolean {
    if (this.#count === 0) return true
    return this.#count < this.#maxMessages && this.#bytes + bytes <= this.#maxBytes
  }

  add(lastIndex: LogIndex, bytes: number): void {
    assert(this.hasRoomFor(bytes), 'in-flight limit')
    assert(this.#count === 0 || lastIndex > this.#newest(), 'appends are sent in order')
    if (this.#count === this.#sizes.length) this.#grow()
    const slot = (this.#head + this.#count) % this.#sizes.length
    this.#lastIndexes[slot] = lastIndex
    this.#sizes[slot] = bytes
    this.#count++
    this.#bytes += bytes
  }

  /** Everything up to log index `index` arrived. */
  freeTo(index: LogIndex): void {
    while (this.#count > 0 && (this.#lastIndexes[this.#head] as number) <= index) {
      this.#bytes -= this.#sizes[this.#head] as number
      this.#head = (this.#head + 1) % this.#sizes.length
      this.#count--
    }
    assert(this.#bytes >= 0 && (this.#count > 0 || this.#bytes === 0), 'in-flight bytes leak')
  }

  clear(): void {
    this.#head = 0
    this.#count = 0
    this.#bytes = 0
  }

  check(): void {
    let sum = 0
    for (let at = 0; at < this.#count; at++)
      sum += this.#sizes[(this.#head + at) % this.#sizes.length] as number
    assert.equal(sum, this.#bytes, 'in-flight bytes')
    assert(this.#count <= this.#maxMessages, 'in-flight messages')
    assert(this.#bytes <= this.#maxBytes || this.#count === 1, 'in-flight bytes limit')
  }

  #newest(): number {
    return this.#lastIndexes[(this.#head + this.#count - 1) % this.#sizes.length] as number
  }

  #grow(): void {
    const slots = Math.min(this.#sizes.length * 2, this.#maxMessages)
    assert(slots > this.#count)
    const lastIndexes = new Array<number>(slots).fill(0)
    const sizes = new Array<number>(slots).fill(0)
    for (let at = 0; at < this.#count; at++) {
      const from = (this.#head + at) % this.#sizes.length
      lastIndexes[at] = this.#lastIndexes[from] as number
      sizes[at] = this.#sizes[from] as number
    }
    this.#lastIndexes = lastIndexes
    this.#sizes = sizes
    this.#head = 0
  }
}
