/**
 * Latencies of millions of requests in a few kilobytes: whole microseconds up to 64, above that 32
 * buckets for each power of two, so a percentile is at most 3.2 % too high and never too low.
 * The longest is kept exactly.
 */
import assert from 'node:assert/strict'

const EXACT_BELOW = 64
const BUCKETS_PER_DOUBLING_BITS = 5
/** About 35 minutes; what takes longer counts as that long. */
const MICROSECONDS_MAX = 2 ** 31 - 1
const BUCKETS = bucketOf(MICROSECONDS_MAX) + 1

export class LatencyHistogram {
  readonly #counts = new Float64Array(BUCKETS)
  #count = 0
  #maxUs = 0

  get count(): number {
    return this.#count
  }

  get maxUs(): number {
    return this.#maxUs
  }

  record(latencyUs: number, times: number): void {
    const rounded = Math.min(MICROSECONDS_MAX, Math.max(0, Math.round(latencyUs)))
    const bucket = bucketOf(rounded)
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + times
    this.#count += times
    if (rounded > this.#maxUs) this.#maxUs = rounded
  }

  /** Microseconds that this part of all requests did not exceed; null when there were none. */
  percentileUs(percent: number): number | null {
    assert(percent > 0 && percent <= 100)
    if (this.#count === 0) return null
    const rank = Math.ceil((percent / 100) * this.#count)
    let seen = 0
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      seen += this.#counts[bucket] ?? 0
      if (seen >= rank) return Math.min(this.#maxUs, upperEdgeOf(bucket))
    }
    return assert.fail('the buckets hold fewer requests than were counted')
  }

  clear(): void {
    this.#counts.fill(0)
    this.#count = 0
    this.#maxUs = 0
  }
}

function bucketOf(microseconds: number): number {
  if (microseconds < EXACT_BELOW) return microseconds
  const shift = 31 - Math.clz32(microseconds) - BUCKETS_PER_DOUBLING_BITS
  return (shift << BUCKETS_PER_DOUBLING_BITS) + (microseconds >>> shift)
}

function upperEdgeOf(bucket: number): number {
  if (bucket < EXACT_BELOW) return bucket
  const shift = (bucket >>> BUCKETS_PER_DOUBLING_BITS) - 1
  const leading = bucket - (shift << BUCKETS_PER_DOUBLING_BITS)
  return (leading + 1) * 2 ** shift - 1
}
