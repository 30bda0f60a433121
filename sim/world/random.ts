/**
 * The simulator's randomness: xoshiro128**, seeded through splitmix32. Not for secrets.
 *
 * A run is its seed. `fork` derives a stream from the seed and the names on the way to it, never
 * from what was drawn so far: a draw more on one node changes nothing on another, so a failure
 * survives small changes to the code.
 */
import assert from 'node:assert/strict'
import type { Random } from '../../src/env/random.ts'

export interface SimRandom extends Random {
  /** Uniform whole number in [0, limit). */
  below(limit: number): number
  /** Uniform whole number in [low, high]. */
  between(low: number, high: number): number
  /** True with this probability. */
  chance(probability: number): boolean
  pick<Item>(items: readonly Item[]): Item
  /** In place. */
  shuffle<Item>(items: Item[]): Item[]
  /** An independent stream; the same name gives the same stream. */
  fork(name: string): SimRandom
}

export function createSimRandom(seed: number | string): SimRandom {
  return new Xoshiro(String(seed))
}

class Xoshiro implements SimRandom {
  readonly #origin: string
  #a: number
  #b: number
  #c: number
  #d: number

  constructor(origin: string) {
    this.#origin = origin
    let state = hashText(origin)
    const seedWord = (): number => {
      state = (state + 0x9e37_79b9) | 0
      let mixed = state ^ (state >>> 16)
      mixed = Math.imul(mixed, 0x21f0_aaad)
      mixed ^= mixed >>> 15
      mixed = Math.imul(mixed, 0x735a_2d97)
      return (mixed ^ (mixed >>> 15)) >>> 0
    }
    this.#a = seedWord()
    this.#b = seedWord()
    this.#c = seedWord()
    // The generator never leaves the all-zero state: keep it out.
    this.#d = seedWord() | 1
  }

  u32(): number {
    const scrambled = Math.imul(rotateLeft(Math.imul(this.#b, 5), 7), 9) >>> 0
    const shifted = this.#b << 9
    this.#c ^= this.#a
    this.#d ^= this.#b
    this.#b ^= this.#c
    this.#a ^= this.#d
    this.#c ^= shifted
    this.#d = rotateLeft(this.#d, 11)
    return scrambled
  }

  next(): number {
    return (this.u32() * 0x20_0000 + (this.u32() >>> 11)) / 0x20_0000_0000_0000
  }

  below(limit: number): number {
    assert(Number.isSafeInteger(limit) && limit > 0, `no whole number below ${limit}`)
    return Math.floor(this.next() * limit)
  }

  between(low: number, high: number): number {
    assert(low <= high)
    return low + this.below(high - low + 1)
  }

  chance(probability: number): boolean {
    assert(probability >= 0 && probability <= 1)
    return this.next() < probability
  }

  pick<Item>(items: readonly Item[]): Item {
    assert(items.length > 0, 'nothing to pick from')
    return items[this.below(items.length)] as Item
  }

  shuffle<Item>(items: Item[]): Item[] {
    for (let last = items.length - 1; last > 0; last--) {
      const other = this.below(last + 1)
      const kept = items[last] as Item
      items[last] = items[other] as Item
      items[other] = kept
    }
    return items
  }

  fork(name: string): SimRandom {
    return new Xoshiro(`${this.#origin}/${name}`)
  }
}

function rotateLeft(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits))
}

/** FNV-1a, 32 bits, finished so that short texts differ in all bits. */
function hashText(text: string): number {
  let hash = 0x811c_9dc5
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x0100_0193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b)
  return (hash ^ (hash >>> 13)) >>> 0
}
