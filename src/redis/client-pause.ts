/** CLIENT PAUSE: connections that must not go on yet, and what lets them. */

export type PauseMode = 'write' | 'all'

export class ClientPause {
  #untilMs = 0
  #mode: PauseMode = 'write'
  readonly #waiting = new Set<() => void>()

  /** A pause that is in force is never shortened or weakened by another. */
  begin(nowMs: number, untilMs: number, mode: PauseMode): void {
    const isPaused = nowMs < this.#untilMs
    if (!isPaused || mode === 'all') this.#mode = mode
    this.#untilMs = isPaused ? Math.max(this.#untilMs, untilMs) : untilMs
  }

  holds(nowMs: number, isWrite: boolean): boolean {
    return nowMs < this.#untilMs && (isWrite || this.#mode === 'all')
  }

  /** `run` is called once, when the pause is over. */
  wait(run: () => void): void {
    this.#waiting.add(run)
  }

  /** 0 when there is none. */
  get untilMs(): number {
    return this.#untilMs
  }

  end(): void {
    this.#untilMs = 0
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const run of waiting) run()
  }
}
