/**
 * An engine whose answers take time: effects happen at the call, as in memory, and whoever waits
 * hears of it later. So other things happen in between, as they do with a disk.
 */

import type { Clock } from '../../src/env/clock.ts'
import type { Engine, EngineReader, EngineSnapshot, EngineStore } from '../../src/env/engine.ts'

export function slowEngineStore(store: EngineStore, clock: Clock, latencyMs: () => number): EngineStore {
  const later = async <Result>(outcome: Promise<Result>): Promise<Result> => {
    const result = await outcome
    await new Promise<void>((resolve) => clock.setTimer(latencyMs(), resolve))
    return result
  }
  const reader = (engine: EngineReader): EngineReader => ({
    getMany: (keys) => later(engine.getMany(keys)),
    range: (range) => later(engine.range(range)),
  })
  const snapshot = (view: EngineSnapshot): EngineSnapshot => ({ ...reader(view), close: () => view.close() })
  return {
    open: async (name): Promise<Engine> => {
      const engine = await later(store.open(name))
      return {
        ...reader(engine),
        write: (operations) => later(engine.write(operations)),
        snapshot: async () => snapshot(await later(engine.snapshot())),
        persist: () => later(engine.persist()),
        verify: (onProgress) => engine.verify(onProgress),
        close: () => later(engine.close()),
      }
    },
    destroy: (name) => later(store.destroy(name)),
    list: () => later(store.list()),
  }
}
