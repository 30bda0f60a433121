/**
 * What a process leaves behind when it stops, and what is left in the data directory: nothing that
 * waits, nothing that nobody knows, nothing that will never be removed.
 */
import type { Engine } from '../../src/env/engine.ts'
import {
  APPLIED_KEY,
  decodeApplied,
  EVERYTHING,
  garbageRanges,
} from '../../src/replica/state/engine-records.ts'
import type { SimCluster } from '../cluster/sim-cluster.ts'
import type { SimNode } from '../cluster/sim-node.ts'

/** docs/formats/recovery.md, "The files". */
const EXPECTED_FILES = [
  /^identity$/,
  /^log\/\d+\.segment$/,
  /^log\/\d+\.preparing$/,
  /^log\/evidence\/[^/]+$/,
] as const

/** Of nodes that have stopped and whose processes still exist. */
export function checkProcesses(cluster: SimCluster): void {
  for (const node of cluster.nodes) {
    const { pending, timers, latest } = node.calls
    const open = cluster.network.connectionCount(node.host)
    if (open > 0) throw new Error(`${node.host} has ${open} connections after it stopped`)
    if (timers > 0) throw new Error(`${node.host} has ${timers} timers after it stopped`)
    if (pending > 0) {
      throw new Error(
        `${node.host} waits for ${pending} calls after it stopped; the last: ${latest.join(', ')}`,
      )
    }
  }
}

export async function checkDirectories(cluster: SimCluster): Promise<void> {
  for (const node of cluster.nodes) {
    for (const path of node.disk.paths()) {
      const isExpected = EXPECTED_FILES.some((expected) => expected.test(path))
      if (!isExpected) throw new Error(`${node.host} leaves the file ${path} behind`)
    }
    await checkEngines(node)
  }
}

async function checkEngines(node: SimNode): Promise<void> {
  for (const name of await node.engines.list()) {
    if (!/^group-\d+$/.test(name)) throw new Error(`${node.host} leaves the engine ${name} behind`)
    const engine = await node.engines.open(name)
    const orphan = await firstOrphan(engine)
    await engine.close()
    if (orphan !== null) {
      throw new Error(
        `${name} of ${node.host} has records that belong to no state: ${JSON.stringify(orphan)}`,
      )
    }
  }
}

/** A record of a snapshot that was given up, or of a state that was replaced. */
async function firstOrphan(engine: Engine): Promise<string | null> {
  const [applied] = await engine.getMany([APPLIED_KEY])
  const ranges =
    applied === null || applied === undefined ? [EVERYTHING] : garbageRanges(decodeApplied(applied).epochs)
  for (const range of ranges) {
    const [found] = await engine.range({ ...range, limit: 1 })
    if (found !== undefined) return found.key
  }
  return null
}
