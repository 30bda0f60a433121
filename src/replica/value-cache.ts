/**
 * Values read from or written to the engine, bounded by bytes.
 *
 * Two generations instead of a linked list: reads and writes go to the young map; when it is full
 * it becomes the old one and what the old one still held is forgotten. A value used at least once
 * per generation stays. Every operation is O(1), and nothing is allocated for a hit in the young map.
 * Absence (null) is cached too.
 */
import assert from 'node:assert/strict'
import type { ByteString } from '../base/bytes.ts'

/** What one cached entry costs besides its bytes: map slot, two string headers. */
const ENTRY_OVERHEAD_BYTES = 96

export class ValueCache {
  readonly #generationBytes: number
  #young = new Map<ByteString, ByteString | null>()
  #old = new Map<ByteString, ByteString | null>()
  #youngBytes = 0
  #oldBytes = 0

  constructor(limitBytes: number) {
    assert(limitBytes >= 0)
    this.#generationBytes = Math.floor(limitBytes / 2)
  }

  get bytes(): number {
    return this.#youngBytes + this.#oldBytes
  }

  get(key: ByteString): ByteString | null | undefined {
    const young = this.#young.get(key)
    if (young !== undefined) return young
    const old = this.#old.get(key)
    if (old === undefined) return undefined
    this.set(key, old)
    return old
  }

  /** As `get`, but nothing is moved or forgotten: what several looks in a row find is there together. */
  peek(key: ByteString): ByteString | null | undefined {
    const young = this.#young.get(key)
    return young !== undefined ? young : this.#old.get(key)
  }

  set(key: ByteString, value: ByteString | null): void {
    const cost = key.length + (value === null ? 0 : value.length) + ENTRY_OVERHEAD_BYTES
    if (cost > this.#generationBytes) {
      // Too large to be worth a generation; whatever was known about the key is now stale.
      this.delete(key)
      return
    }
    if (this.#youngBytes + cost > this.#generationBytes) this.#turnGeneration()
    // Replaced values are counted twice until the generation turns: the bound stays an upper bound.
    this.#young.set(key, value)
    this.#youngBytes += cost
  }

  delete(key: ByteString): void {
    this.#young.delete(key)
    this.#old.delete(key)
  }

  clear(): void {
    this.#young = new Map()
    this.#old = new Map()
    this.#youngBytes = 0
    this.#oldBytes = 0
  }

  #turnGeneration(): void {
    this.#old = this.#young
    this.#oldBytes = this.#youngBytes
    this.#young = new Map()
    this.#youngBytes = 0
  }
}
