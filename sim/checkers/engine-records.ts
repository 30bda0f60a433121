/**
 * Compares what the replicas of a group have in their engines after a clean stop, record by record.
 * Independent of the product's own state hash. Only replicas that stand at the same applied index
 * can be compared.
 */
import type { Engine, EngineStore } from '../../src/env/engine.ts'
import {
  APPLIED_KEY,
  type AppliedRecord,
  dataEpochs,
  decodeApplied,
  makeEngineKeys,
  metaEpochs,
} from '../../src/replica/state/engine-records.ts'

const PAGE_RECORDS = 1_000

type Held = {
  readonly host: string
  readonly applied: AppliedRecord
  readonly records: ReadonlyMap<string, string>
}

export type StoppedNode = { readonly host: string; readonly engines: EngineStore }

export async function compareEngines(cluster: { readonly nodes: readonly StoppedNode[] }): Promise<void> {
  const byEngine = new Map<string, Held[]>()
  for (const node of cluster.nodes) {
    for (const name of await node.engines.list()) {
      const engine = await node.engines.open(name)
      const held = await readHeld(node.host, engine)
      await engine.close()
      if (held !== null) byEngine.set(name, [...(byEngine.get(name) ?? []), held])
    }
  }
  for (const [name, replicas] of byEngine) compare(name, replicas)
}

async function readHeld(host: string, engine: Engine): Promise<Held | null> {
  const [encoded] = await engine.getMany([APPLIED_KEY])
  if (encoded === null || encoded === undefined) return null
  const applied = decodeApplied(encoded)
  const keys = makeEngineKeys(applied.epochs)
  const { data, meta } = applied.epochs
  const records = new Map<string, string>()
  for (const { from, to } of [metaEpochs(meta, meta + 1), dataEpochs(data, data + 1)]) {
    for (let start = from; ; ) {
      const page = await engine.range({ from: start, to, limit: PAGE_RECORDS })
      for (const { key, value } of page) records.set(keys.machineKeyOf(key), value)
      const last = page.at(-1)
      if (last === undefined || page.length < PAGE_RECORDS) break
      start = `${last.key}\x00`
    }
  }
  return { host, applied, records }
}

function compare(name: string, replicas: readonly Held[]): void {
  const newest = replicas.reduce((left, right) =>
    right.applied.position.index > left.applied.position.index ? right : left,
  )
  for (const replica of replicas) {
    if (replica.applied.position.index !== newest.applied.position.index) continue
    for (const key of new Set([...newest.records.keys(), ...replica.records.keys()])) {
      if (newest.records.get(key) === replica.records.get(key)) continue
      throw new Error(
        `${name} of ${replica.host} and ${newest.host} differ at index ${newest.applied.position.index} in ${JSON.stringify(key)}`,
      )
    }
  }
}
