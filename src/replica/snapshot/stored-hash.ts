/** Reads the state hash that an engine (or a frozen view of one) holds. */
import { StateHash } from '../../base/hash64.ts'
import type { EngineSnapshot } from '../../env/engine.ts'
import { hashChunkKey } from '../engine-records.ts'

export async function readStateHash(view: Pick<EngineSnapshot, 'getMany'>): Promise<StateHash> {
  const hash = new StateHash()
  const chunks = hash.allChunks()
  const values = await view.getMany(chunks.map(hashChunkKey))
  chunks.forEach((chunk, at) => {
    const value = values[at]
    if (value !== null && value !== undefined) hash.decodeChunk(chunk, value)
  })
  return hash
}
