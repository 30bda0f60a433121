/**
 * The end of an event-loop turn, shared by the clock and all connections of the process.
 *
 * Many callers per turn share two immediates: the first calls what `endOfTurn` queued (and what
 * those calls queue in turn), the second hands the connections' bytes to the operating system.
 * Microtasks run between the two, so that a reply that needed a promise still leaves in its turn.
 */

/** Work queued beyond this in one turn waits for the next one, so that sockets and timers are not starved. */
export const MAX_CALLBACKS_PER_TURN = 100_000

export interface TurnQueue {
  endOfTurn(run: () => void): void
  /** After everything that `endOfTurn` queued. */
  flushAfterTurn(flush: () => void): void
}

export function createTurnQueue(): TurnQueue {
  return new ImmediateTurnQueue()
}

class ImmediateTurnQueue implements TurnQueue {
  readonly #runs: (() => void)[] = []
  readonly #flushes: (() => void)[] = []
  #isScheduled = false
  readonly #drainRuns = (): void => drain(this.#runs)
  readonly #drainFlushes = (): void => {
    this.#isScheduled = false
    try {
      drain(this.#flushes)
    } finally {
      if (this.#runs.length > 0 || this.#flushes.length > 0) this.#schedule()
    }
  }

  endOfTurn(run: () => void): void {
    this.#runs.push(run)
    this.#schedule()
  }

  flushAfterTurn(flush: () => void): void {
    this.#flushes.push(flush)
    this.#schedule()
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(this.#drainRuns)
    setImmediate(this.#drainFlushes)
  }
}

/** The one of this thread's event loop. */
export const turnQueue: TurnQueue = createTurnQueue()

// A callback that throws must not take the others with it: they stay queued for the next turn.
function drain(queue: (() => void)[]): void {
  let called = 0
  try {
    while (called < queue.length && called < MAX_CALLBACKS_PER_TURN) {
      const run = queue[called++]
      run?.()
    }
  } finally {
    if (called === queue.length) queue.length = 0
    else queue.splice(0, called)
  }
}
