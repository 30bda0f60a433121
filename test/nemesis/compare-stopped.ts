/** What the replicas hold after an orderly stop of all nodes, record by record, by the simulator's checker. */
import { join } from 'node:path'
import { compareEngines } from '../../sim/checkers/engine-records.ts'
import { createRocksEngineStore } from '../../src/env-node/engine/rocksdb-store.ts'
import type { NodeProcess } from './node-process.ts'

/** What differs, in words. */
export async function compareStopped(nodes: readonly NodeProcess[]): Promise<readonly string[]> {
  const stopped = nodes.map((node) => ({
    host: node.id,
    engines: createRocksEngineStore({ directory: join(node.directory, 'engines') }),
  }))
  try {
    await compareEngines({ nodes: stopped })
    return []
  } catch (error) {
    return [String(error)]
  }
}
