/**
 * A digest of the applied state of each replica, computed from the batches that reach its engine,
 * independently of the product's own state hash: replicas whose engines stand at the same applied index
 * must hold the same records, at every moment of a run and not only at its end.
 *
 * The digest is a sum over the records, so it follows each batch; it is made anew from what is there
 * when an engine is opened.
 */
import { crc32 } from 'node:zlib'
import type { Engine, EngineOperation, EngineStore } from '../../src/env/engine.ts'
import {
  APPLIED_KEY,
  decodeApplied,
  EVERYTHING,
  makeEngineKeys,
} from '../../src/replica/state/engine-records.ts'

const PAGE_RECORDS = 1_000

/** The engine `name` stands at `index` now. */
export type OnState = (name: string, index: number, digest: number) => void

export function digestingStore(store: EngineStore, onState: OnState): EngineStore {
  return {
    open: async (name) => {
      const engine = await store.open(name)
      const records = new RecordSums()
      await readAll(engine, records)
      return digesting(engine, records, (index, digest) => onState(name, index, digest))
    },
    destroy: (name) => store.destroy(name),
    list: () => store.list(),
  }
}

function digesting(
  engine: Engine,
  records: RecordSums,
  onState: (index: number, digest: number) => void,
): Engine {
  return {
    getMany: (keys) => engine.getMany(keys),
    range: (range) => engine.range(range),
    snapshot: () => engine.snapshot(),
    persist: () => engine.persist(),
    verify: (onProgress) => engine.verify(onProgress),
    close: () => engine.close(),
    write: async (operations) => {
      await engine.write(operations)
      let applied: string | null = null
      for (const operation of operations) {
        records.apply(operation)
        if (operation.kind === 'put' && operation.key === APPLIED_KEY) applied = operation.value
      }
      if (applied === null) return
      const { position, epochs } = decodeApplied(applied)
      const keys = makeEngineKeys(epochs)
      onState(position.index, records.digest(['\x00', 'x'].map((key) => keys.of(key).slice(0, -1))))
    },
  }
}

async function readAll(engine: Engine, records: RecordSums): Promise<void> {
  for (let from = EVERYTHING.from; ; ) {
    const page = await engine.range({ from, to: EVERYTHING.to, limit: PAGE_RECORDS })
    for (const { key, value } of page) records.apply({ kind: 'put', key, value })
    const last = page.at(-1)
    if (last === undefined || page.length < PAGE_RECORDS) return
    from = `${last.key}\x00`
  }
}

/** Space and epoch: what comes before the machine's own key. */
const PREFIX_LENGTH = 5

type Space = { readonly sums: Map<string, readonly [number, number]>; a: number; b: number }

class RecordSums {
  readonly #spaces = new Map<string, Space>()

  apply(operation: EngineOperation): void {
    switch (operation.kind) {
      case 'put':
        this.#put(operation.key, operation.value)
        return
      case 'delete':
        this.#remove(operation.key)
        return
      case 'deleteRange':
        for (const [prefix, { sums }] of this.#spaces) {
          for (const key of [...sums.keys()]) {
            const whole = prefix + key
            if (whole >= operation.from && whole < operation.to) this.#remove(whole)
          }
        }
    }
  }

  digest(prefixes: readonly string[]): number {
    let a = 0
    let b = 0
    for (const prefix of prefixes) {
      const space = this.#spaces.get(prefix)
      a = (a + (space?.a ?? 0)) >>> 0
      b = (b + (space?.b ?? 0)) >>> 0
    }
    return a * 0x20_0000 + (b >>> 11)
  }

  #put(engineKey: string, value: string): void {
    this.#remove(engineKey)
    const prefix = engineKey.slice(0, PREFIX_LENGTH)
    const key = engineKey.slice(PREFIX_LENGTH)
    let space = this.#spaces.get(prefix)
    if (space === undefined) {
      space = { sums: new Map(), a: 0, b: 0 }
      this.#spaces.set(prefix, space)
    }
    const hash = crc32(value, crc32(key))
    const other = crc32(key, (hash ^ 0x9e37_79b9) >>> 0)
    space.sums.set(key, [hash, other])
    space.a = (space.a + hash) >>> 0
    space.b = (space.b + other) >>> 0
  }

  #remove(engineKey: string): void {
    const space = this.#spaces.get(engineKey.slice(0, PREFIX_LENGTH))
    const key = engineKey.slice(PREFIX_LENGTH)
    const sums = space?.sums.get(key)
    if (space === undefined || sums === undefined) return
    space.sums.delete(key)
    space.a = (space.a - sums[0]) >>> 0
    space.b = (space.b - sums[1]) >>> 0
  }
}
