import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { engineSuite } from '../../../test/conformance/engine-suite.ts'
import { createRocksEngineStore } from './rocksdb-store.ts'

engineSuite('rocksdb', {
  makeStore: async () => {
    const directory = await mkdtemp(join(tmpdir(), 'holdfast-engine-'))
    return {
      store: createRocksEngineStore({ directory }),
      dispose: () => rm(directory, { recursive: true, force: true }),
    }
  },
  propertyRuns: 25,
})
