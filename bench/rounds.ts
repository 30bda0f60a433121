/** What a run has measured, round by round, and how it is summed up: medians with their range, ratios within a round. */
import assert from 'node:assert/strict'
import type { LoadTest } from '../src/cli/bench/resp-requests.ts'
import type { LoadFigures } from './load/load-task.ts'
import type { SubjectName } from './subjects.ts'

export type Cell = { readonly subject: SubjectName; readonly test: LoadTest; readonly pipeline: number }
export type Figure = 'requestsPerSecond' | 'p50Ms' | 'p99Ms' | 'maxMs' | 'cpuUsPerRequest' | 'residentMib'
export type Summary = { readonly median: number; readonly min: number; readonly max: number }

export class Rounds {
  readonly #figures = new Map<string, LoadFigures[]>()

  /** Rounds come in their order, each cell once in each. */
  add(cell: Cell, figures: LoadFigures): void {
    const key = keyOf(cell)
    const known = this.#figures.get(key)
    if (known === undefined) this.#figures.set(key, [figures])
    else known.push(figures)
  }

  /** Null when the cell was not measured. */
  summary(cell: Cell, figure: Figure): Summary | null {
    const found = this.#figures.get(keyOf(cell))
    return found === undefined ? null : summarize(found.map((figures) => figures[figure]))
  }

  /** Of figures of the same round; null when one of the two was not measured. */
  ratio(cell: Cell, against: SubjectName, figure: Figure): Summary | null {
    const ours = this.#figures.get(keyOf(cell))
    const theirs = this.#figures.get(keyOf({ ...cell, subject: against }))
    if (ours === undefined || theirs === undefined) return null
    assert.equal(ours.length, theirs.length)
    return summarize(ours.map((figures, round) => figures[figure] / (theirs[round] as LoadFigures)[figure]))
  }

  /** The longest latency of all rounds. */
  worstMs(cell: Cell): number | null {
    const found = this.#figures.get(keyOf(cell))
    return found === undefined ? null : Math.max(...found.map(({ maxMs }) => maxMs))
  }

  toJSON(): Readonly<Record<string, readonly LoadFigures[]>> {
    return Object.fromEntries(this.#figures)
  }
}

export function summarize(values: readonly number[]): Summary {
  assert(values.length > 0)
  const sorted = values.toSorted((left, right) => left - right)
  const [low, high] = [sorted[(sorted.length - 1) >>> 1], sorted[sorted.length >>> 1]]
  return {
    median: ((low as number) + (high as number)) / 2,
    min: sorted[0] as number,
    max: sorted.at(-1) as number,
  }
}

function keyOf({ subject, test, pipeline }: Cell): string {
  return `${test}/${pipeline}/${subject}`
}
