import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { LatencyHistogram } from './latency-histogram.ts'

const latencies = fc.array(fc.integer({ min: 0, max: 10_000_000 }), { minLength: 1, maxLength: 200 })

describe('a histogram of latencies', () => {
  it('answers percentiles that are never too low and at most 3.2 % too high', () => {
    fc.assert(
      fc.property(latencies, fc.constantFrom(1, 50, 90, 99, 99.9, 100), (values, percent) => {
        const histogram = new LatencyHistogram()
        for (const value of values) histogram.record(value, 1)
        const sorted = values.toSorted((left, right) => left - right)
        const exact = sorted[Math.ceil((percent / 100) * sorted.length) - 1] as number
        const found = histogram.percentileUs(percent) as number
        assert(found >= exact && found <= exact * 1.032 + 1, `${found} for ${exact}`)
        assert.equal(histogram.maxUs, sorted.at(-1))
        assert.equal(histogram.count, values.length)
      }),
    )
  })

  it('counts the requests of one reply together, and forgets them when it is cleared', () => {
    const histogram = new LatencyHistogram()
    histogram.record(10, 98)
    histogram.record(1_000_000, 2)
    assert.equal(histogram.percentileUs(50), 10)
    assert.equal(histogram.percentileUs(98), 10)
    assert.equal(histogram.percentileUs(99), 1_000_000)
    histogram.clear()
    assert.equal(histogram.percentileUs(50), null)
    assert.equal(histogram.maxUs, 0)
  })

  it('counts the endless as the longest it knows', () => {
    const histogram = new LatencyHistogram()
    histogram.record(Number.MAX_SAFE_INTEGER, 1)
    assert.equal(histogram.percentileUs(50), 2 ** 31 - 1)
  })
})
