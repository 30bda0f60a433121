/** How long somebody saw no write acknowledged. */

export class GapWatch {
  #lastMs: number | null = null
  #longestMs: number | null = null
  #notes = 0

  /** A write was acknowledged. */
  note(nowMs: number): void {
    if (this.#longestMs !== null) {
      this.#longestMs = Math.max(this.#longestMs, nowMs - (this.#lastMs ?? nowMs))
      this.#notes += 1
    }
    this.#lastMs = nowMs
  }

  /** Watches from the last acknowledgement on, so that a gap counts whole; from now on when there was none. */
  start(nowMs: number): void {
    this.#lastMs ??= nowMs
    this.#longestMs = 0
    this.#notes = 0
  }

  /** Acknowledgements since the start. */
  get notes(): number {
    return this.#notes
  }

  /** The longest time between two acknowledgements; the one still open counts. */
  stop(nowMs: number): number {
    const longestMs = Math.max(this.#longestMs ?? 0, nowMs - (this.#lastMs ?? nowMs))
    this.#longestMs = null
    return longestMs
  }
}

export type Distribution = {
  readonly count: number
  readonly p50: number
  readonly p90: number
  readonly p99: number
  readonly max: number
}

export function distribution(values: readonly number[]): Distribution {
  const sorted = [...values].sort((left, right) => left - right)
  const at = (percent: number): number =>
    round(sorted[Math.max(0, Math.ceil((sorted.length * percent) / 100) - 1)] ?? 0)
  return { count: sorted.length, p50: at(50), p90: at(90), p99: at(99), max: at(100) }
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}
