/** Whether figures that were taken one after the other grow: the straight line that fits them best. */
import assert from 'node:assert/strict'

export type Line = {
  readonly mean: number
  /** Per unit of `at`. */
  readonly slope: number
  /** How far the slope may be from the true one, at about 95 %. */
  readonly uncertainty: number
}

/** Of at least three points at different places. */
export function fitLine(points: readonly { readonly at: number; readonly value: number }[]): Line {
  assert(points.length >= 3, 'a line with an uncertainty needs three points')
  const meanOf = (of: (point: { at: number; value: number }) => number): number =>
    points.reduce((sum, point) => sum + of(point), 0) / points.length
  const middle = meanOf(({ at }) => at)
  const mean = meanOf(({ value }) => value)
  const spread = points.reduce((sum, { at }) => sum + (at - middle) ** 2, 0)
  assert(spread > 0, 'all points are at one place')
  const slope = points.reduce((sum, { at, value }) => sum + (at - middle) * (value - mean), 0) / spread
  const misses = points.reduce((sum, { at, value }) => sum + (value - mean - slope * (at - middle)) ** 2, 0)
  return { mean, slope, uncertainty: 2 * Math.sqrt(misses / (points.length - 2) / spread) }
}
