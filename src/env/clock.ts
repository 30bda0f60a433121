/**
 * Time, as the node sees it. The simulator drives a virtual one, with skew and freezes per node.
 *
 * `wallMs` may jump in both directions (a clock adjusted by an operator or NTP); only leaders read
 * it, to stamp entries. Every duration and timeout is measured on `monotonicMs`.
 */
export interface Clock {
  /** Milliseconds since 1970-01-01 UTC. Whole. */
  wallMs(): number
  /** Milliseconds since an arbitrary start; never runs backwards. Fractions allowed. */
  monotonicMs(): number
  /** Calls `run` once, in a later turn, not sooner than `delayMs` from now. At most 24 days. */
  setTimer(delayMs: number, run: () => void): Timer
  /**
   * Calls `run` once the current turn's events have been handled, before any later event. What `run`
   * queues here still belongs to the same turn; bytes written to connections leave after all of it.
   */
  endOfTurn(run: () => void): void
}

export interface Timer {
  /** After this, `run` is not called. Cancelling twice, or after it ran, does nothing. */
  cancel(): void
}

/** Resolves after `delayMs`. Not for hot paths: it allocates a promise. */
export function sleep(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((resolve) => clock.setTimer(delayMs, resolve))
}
