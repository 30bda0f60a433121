/**
 * When the process is asked to stop, and by what: SIGTERM, SIGINT, or the end of standard input.
 * The first request is an orderly stop; a second signal ends the process at once, since somebody
 * has lost patience and nothing acknowledged can be lost by it.
 */
import type { Readable } from 'node:stream'

export type StopSignals = {
  /** Resolves with what asked first; never rejects. */
  readonly requested: Promise<string>
  dispose(): void
}

/** The part of `process` that is used. */
export type SignalSource = {
  on(signal: 'SIGTERM' | 'SIGINT', listener: (signal: string) => void): unknown
  off(signal: 'SIGTERM' | 'SIGINT', listener: (signal: string) => void): unknown
}

export function watchStopSignals(
  source: SignalSource,
  onSecond: () => void,
  standardInput: Readable | null,
): StopSignals {
  const { promise, resolve } = Promise.withResolvers<string>()
  let isRequested = false
  const onSignal = (signal: string): void => {
    if (isRequested) return onSecond()
    isRequested = true
    resolve(signal)
  }
  const onEnd = (): void => {
    if (isRequested) return
    isRequested = true
    resolve('end of standard input')
  }
  source.on('SIGTERM', onSignal)
  source.on('SIGINT', onSignal)
  standardInput?.on('end', onEnd).on('close', onEnd).on('error', onEnd).resume()
  return {
    requested: promise,
    dispose: () => {
      source.off('SIGTERM', onSignal)
      source.off('SIGINT', onSignal)
      standardInput?.off('end', onEnd).off('close', onEnd).off('error', onEnd).pause()
    },
  }
}
