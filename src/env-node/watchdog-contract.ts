/** What the watchdog's two threads share: counters in memory, the worker's orders, its first answer. */
import type { ProgressLimits } from './progress-judge.ts'

/** The order of the shared Int32 counters. */
export const BEATS = 0
export const LOG_BEGUN = 1
export const LOG_FINISHED = 2
export const COUNTERS = 3

export type WatchdogWorkerData = {
  readonly shared: SharedArrayBuffer
  readonly limits: ProgressLimits
  readonly listen: { readonly host: string; readonly port: number } | null
  readonly isPretty: boolean
}

export type WatchdogWorkerMessage =
  | { readonly kind: 'ready'; readonly host: string; readonly port: number }
  | { readonly kind: 'failed'; readonly errno: string }
