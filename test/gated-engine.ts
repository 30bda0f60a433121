/**
 * An engine whose answers wait until they are let through, oldest first: for tests of what may
 * happen between a question and its answer. Effects and readings happen at the call, or (`isLate`,
 * reads only) at the answer, as both may with a real engine.
 */
import type { Engine, EngineReader } from '../src/env/engine.ts'

export type GatedEngine = {
  readonly engine: Engine
  /** Calls that wait for their answer. */
  readonly waiting: number
  isOpen: boolean
  isLate: boolean
  /** Answers the oldest call, and lets what follows from it happen. */
  release(): Promise<void>
  releaseAll(): Promise<void>
}

export function createGatedEngine(below: Engine, isOpen = true): GatedEngine {
  const queue: (() => void)[] = []
  const gate = <Result>(call: () => Promise<Result>, mayBeLate: boolean): Promise<Result> => {
    if (gated.isOpen && queue.length === 0) return call()
    const early = mayBeLate && gated.isLate ? null : call()
    early?.catch(() => undefined)
    return new Promise<void>((resolve) => queue.push(resolve)).then(() => early ?? call())
  }
  const reader: EngineReader = {
    getMany: (keys) => gate(() => below.getMany(keys), true),
    range: (range) => gate(() => below.range(range), true),
  }
  const gated: GatedEngine = {
    engine: {
      ...reader,
      write: (operations) => gate(() => below.write(operations), false),
      snapshot: () => gate(() => below.snapshot(), false),
      persist: () => gate(() => below.persist(), false),
      verify: (onProgress) => below.verify(onProgress),
      close: () => below.close(),
    },
    get waiting() {
      return queue.length
    },
    isOpen,
    isLate: false,
    async release() {
      queue.shift()?.()
      await settled()
    },
    async releaseAll() {
      gated.isOpen = true
      while (queue.length > 0) await gated.release()
      await settled()
    },
  }
  return gated
}

/** Every microtask has run. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
