/** Bugs of snapshots: sent, received, installed. */
import { edit, type Mutant } from './mutant.ts'

const MEMORY = 'src/replica/state/state-memory.ts'
const RUNNER = 'src/replica/ready-runner.ts'
const SENDER = 'src/replica/snapshot/snapshot-sender.ts'
const RECEIVER = 'src/replica/snapshot/snapshot-receiver.ts'

export const SNAPSHOT_MUTANTS: readonly Mutant[] = [
  {
    name: 'applied-while-a-snapshot-is-installed',
    source: 'openraft eed681d5: snapshot and apply race',
    edits: [
      edit(RUNNER, '    this.#applier.pause()\n', ''),
      edit(RUNNER, '    this.#applier.resume()\n', ''),
    ],
  },
  {
    name: 'snapshot-claims-more-than-it-holds',
    source: 'eRaft: a gap behind an installed snapshot',
    edits: [
      edit(
        SENDER,
        'const [encoded] = await this.#view.getMany([APPLIED_KEY])',
        'const encoded: ByteString | null | undefined = encodeApplied(this.#dependencies.store.applied)',
      ),
      edit(SENDER, '  APPLIED_KEY,\n', '  encodeApplied,\n'),
    ],
  },
  {
    name: 'snapshot-acknowledged-before-installed',
    source: 'eRaft: a snapshot is acknowledged before it is on disk',
    edits: [
      edit(
        RUNNER,
        '    this.#isInstalling = true\n',
        '    this.#isInstalling = true\n    this.#persist(ready)\n',
      ),
      edit(
        RUNNER,
        '    this.#raft.applied(index)\n    this.#persist(ready)\n',
        '    this.#raft.applied(index)\n',
      ),
    ],
  },
  {
    name: 'old-state-kept-under-a-snapshot',
    source: 'eRaft restoreSnapshot: deleted keys come back',
    edits: [
      edit(
        MEMORY,
        '    this.#keys = makeEngineKeys(applied.epochs)\n    this.#clearedEpochs',
        '    this.#clearedEpochs',
      ),
    ],
  },
  {
    name: 'cache-kept-under-a-snapshot',
    source: 'eRaft restoreSnapshot: what the old state had is still answered',
    edits: [
      edit(MEMORY, '    this.#overlay.reset()\n    this.#cache.clear()\n', '    this.#overlay.reset()\n'),
    ],
  },
  {
    name: 'sessions-absent-from-snapshots',
    source: 'eRaft; MIT 6.824: the table of duplicates does not travel',
    edits: [
      edit(
        SENDER,
        'this.#ranges = [metaEpochs(meta, meta + 1), dataEpochs(data, data + 1)]',
        'this.#ranges = [metaEpochs(meta, meta), dataEpochs(data, data + 1)]',
      ),
      edit(
        RECEIVER,
        'receiving.nextOrdinal === end.chunks && receiving.hash.digest() === end.digest',
        'receiving.nextOrdinal === end.chunks',
      ),
    ],
  },
]
