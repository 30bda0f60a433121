/**
 * Decides whether the main loop and the log still make progress. Pure: samples in, verdict out.
 *
 * The main loop must count up all the time. The log must count up while something is on its way to the
 * disk; when nothing is, it owes nothing. A judge that was itself not called for a while (the process
 * was stopped, the machine slept) blames nobody for that time.
 */
import assert from 'node:assert/strict'

export type ProgressSample = {
  readonly nowMs: number
  /** Turns of the main loop; any counter that changes. */
  readonly beats: number
  /** Log writes begun and finished; their difference is what is on its way. */
  readonly logBegun: number
  readonly logFinished: number
}

export type ProgressLimits = {
  readonly mainLimitMs: number
  readonly logLimitMs: number
}

export type Verdict =
  | { readonly kind: 'alive' }
  | { readonly kind: 'wedged'; readonly part: 'main loop' | 'log'; readonly stuckMs: number }

/** A longer time between two samples is the judge's own absence. */
export const MAX_SAMPLE_GAP_MS = 500

export interface ProgressJudge {
  judge(sample: ProgressSample): Verdict
}

export function createProgressJudge(limits: ProgressLimits): ProgressJudge {
  assert(limits.mainLimitMs > 0 && limits.logLimitMs > 0)
  let last: ProgressSample | null = null
  let mainProgressMs = 0
  let logProgressMs = 0

  function note(sample: ProgressSample): void {
    const isLogIdle = sample.logBegun === sample.logFinished
    const isAbsent = last !== null && sample.nowMs - last.nowMs > MAX_SAMPLE_GAP_MS
    if (last === null || isAbsent || sample.beats !== last.beats) mainProgressMs = sample.nowMs
    if (last === null || isAbsent || isLogIdle || sample.logFinished !== last.logFinished) {
      logProgressMs = sample.nowMs
    }
    last = sample
  }

  return {
    judge: (sample) => {
      assert(last === null || sample.nowMs >= last.nowMs, 'time runs forwards')
      note(sample)
      const mainStuckMs = sample.nowMs - mainProgressMs
      const logStuckMs = sample.nowMs - logProgressMs
      if (mainStuckMs > limits.mainLimitMs) return { kind: 'wedged', part: 'main loop', stuckMs: mainStuckMs }
      if (logStuckMs > limits.logLimitMs) return { kind: 'wedged', part: 'log', stuckMs: logStuckMs }
      return { kind: 'alive' }
    },
  }
}
