/**
 * Randomness for timers, jitter and names: the sfc32 generator, seeded from the operating system.
 * Fast and evenly distributed, but predictable to who sees enough of it: never a source of
 * secrets, tokens or salts.
 */
import { randomFillSync } from 'node:crypto'
import type { Random } from '../env/random.ts'

const WARM_UP_ROUNDS = 16

export function createNodeRandom(): Random {
  const seed = randomFillSync(new Uint32Array(3))
  return createSfc32(seed[0] ?? 0, seed[1] ?? 0, seed[2] ?? 0)
}

function createSfc32(seedA: number, seedB: number, seedC: number): Random {
  let a = seedA | 0
  let b = seedB | 0
  let c = seedC | 0
  let counter = 1
  function u32(): number {
    const result = (((a + b) | 0) + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (((c << 21) | (c >>> 11)) + result) | 0
    return result >>> 0
  }
  for (let round = 0; round < WARM_UP_ROUNDS; round++) u32()
  return { u32, next: () => ((u32() >>> 5) * 67_108_864 + (u32() >>> 6)) / 9_007_199_254_740_992 }
}
