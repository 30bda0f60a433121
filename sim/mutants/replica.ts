/** Bugs between consensus and engine: what is applied, answered, cut off, sent and installed. */
import { edit, type Mutant } from './mutant.ts'

const STORE = 'src/replica/state/state-store.ts'
const MEMORY = 'src/replica/state/state-memory.ts'
const GROUP = 'src/replica/group.ts'

export const REPLICA_MUTANTS: readonly Mutant[] = [
  {
    name: 'vote-not-written',
    source: 'Raft Fig. 2: votedFor is persistent',
    edits: [
      edit(
        'src/replica/persister.ts',
        'hardState: ready.hardState })',
        'hardState: { ...ready.hardState, vote: null } })',
      ),
    ],
  },
  {
    name: 'damaged-log-votes',
    source: 'Protocol-Aware Recovery; cockroach#756',
    edits: [
      edit(
        'src/replica/open-group.ts',
        'if (found.damage === null) return null',
        'if (found !== null) return null',
      ),
    ],
  },
  {
    name: 'log-forgotten-at-restart',
    source: 'Jepsen Redis-Raft 2020: total loss on failover',
    edits: [
      edit(
        'src/replica/open-group.ts',
        'return { hardState, base, membership, entries, applied: applied.position.index, ...trust }',
        'return { hardState, base, membership, entries: [], applied: applied.position.index, ...trust }',
      ),
    ],
  },
  {
    name: 'log-cut-beyond-the-engine',
    source: 'etcd#10508: the log goes before the state is durable',
    edits: [
      edit(
        'src/replica/log-cutter.ts',
        'const durable = await this.#store.persist()',
        'const durable = await Promise.resolve(this.#store.applied)',
      ),
    ],
  },
  {
    name: 'log-cut-before-the-engine-is-synced',
    source: 'LevelDB: written is not synced',
    edits: [
      edit(
        STORE,
        '      await this.#engine.persist()\n    } catch (error) {\n      // The engine',
        '    } catch (error) {\n      // The engine',
      ),
    ],
  },
  {
    name: 'applied-index-not-atomic',
    source: 'etcd#13766',
    edits: [
      edit(
        STORE,
        '    this.#engine.write(operations).then(\n',
        '    void this.#engine.write(operations.slice(0, -1)).catch(() => undefined)\n    this.#engine.write(operations.slice(-1)).then(\n',
      ),
    ],
  },
  {
    name: 'flush-amid-an-entry',
    source: 'etcd#13766: half of an entry in the engine',
    edits: [
      edit(
        STORE,
        'this.#memory.isFlushing || this.#isMidEntry || this.#holds > 0 || this.#isInstalling',
        'this.#memory.isFlushing || this.#holds > 0 || this.#isInstalling',
      ),
    ],
  },
  {
    name: 'fetch-overtaken-by-a-flush',
    source: 'stale read-ahead: a value read before a write, cached after it',
    edits: [
      edit(
        STORE,
        'return fetched.flushCount === this.#flushCount && fetched.keys === this.#memory.keys',
        'return fetched.keys === this.#memory.keys',
      ),
    ],
  },
  {
    name: 'writes-hidden-while-they-are-flushed',
    source: 'memtable dropped before its table is readable',
    edits: [
      edit(
        'src/replica/state/overlay.ts',
        'if (active !== undefined || this.#flushing === null) return active',
        'if (active !== undefined || this.#flushing !== undefined) return active',
      ),
    ],
  },
  {
    name: 'cache-keeps-what-was-replaced',
    source: 'a cache that skips large values and keeps the small one they replaced',
    edits: [
      edit(
        'src/replica/state/value-cache.ts',
        '      this.#index.remove(hash, key)\n      this.#drop(location)\n    }\n',
        '      if (recordBytes(key.length, value) > this.#limitBytes / KEPT_DIVISOR) return\n      this.#index.remove(hash, key)\n      this.#drop(location)\n    }\n',
      ),
    ],
  },
  {
    name: 'state-hash-forgets-deletions',
    source: 'an incremental checksum that drifts: CockroachDB consistency checks',
    edits: [
      edit(
        MEMORY,
        'if (before !== null) this.#hash.subtract(',
        'if (before !== null && write.value !== null) this.#hash.subtract(',
      ),
    ],
  },
  {
    name: 'time-of-the-local-clock',
    source: 'expiry decided by each replica: Redis before 7',
    edits: [
      edit(
        'src/replica/applier.ts',
        '    const timeMs = Math.max(work.payload.timeMs, this.#store.applied.timeMs)\n    const machineVersion',
        '    const timeMs = Math.max(this.#clock.wallMs(), this.#store.timeMs)\n    const machineVersion',
      ),
      edit(
        'src/replica/applier.ts',
        'const timeMs = payload === null ? before.timeMs : Math.max(payload.timeMs, before.timeMs)',
        'const timeMs = payload === null ? before.timeMs : Math.max(payload.timeMs, this.#store.timeMs)',
      ),
    ],
  },
  {
    name: 'time-runs-backwards',
    source: 'a new leader whose clock is behind: Spanner, CockroachDB leases',
    edits: [
      edit(
        'src/replica/proposer.ts',
        'this.#lastStampMs = Math.max(this.#lastStampMs, this.#appliedTimeMs(), this.#clock.wallMs())',
        'this.#lastStampMs = this.#clock.wallMs()',
      ),
      edit(
        'src/replica/applier.ts',
        '    const timeMs = Math.max(work.payload.timeMs, this.#store.applied.timeMs)\n    const machineVersion',
        '    const { timeMs } = work.payload\n    const machineVersion',
      ),
    ],
  },
  {
    name: 'read-before-applied',
    source: 'Raft thesis 6.4, step 4; tikv#1682',
    edits: [edit('src/replica/reader.ts', '(round.index as LogIndex) > appliedIndex', 'appliedIndex < 0')],
  },
  {
    name: 'waiter-keyed-by-index-only',
    source: 'eRaft; MIT 6.824',
    edits: [
      edit(
        'src/replica/proposer.ts',
        'if (head.position.term === position.term) return localEntry(head)',
        'return localEntry(head)',
      ),
    ],
  },
  {
    name: 'log-failure-taken-for-a-refusal',
    source: 'an unknown outcome called a failure: Jepsen TiDB 2.1.7',
    edits: [
      edit(
        GROUP,
        "    this.#proposer.failInflight({ kind: 'unknown' })\n    if (!isSoleVoter) {",
        "    this.#proposer.failInflight({ kind: 'notCommitted' })\n    if (!isSoleVoter) {",
      ),
    ],
  },
  {
    // Not at the first entry that displaces them: with three voters those are lost, with five they need not be.
    name: 'entries-of-a-lost-leadership-taken-for-lost',
    source: 'a leader that steps down and refuses what others hold: Jepsen, a definite error',
    edits: [
      edit(
        GROUP,
        'if (this.#leadership.takeNews()) {\n',
        "if (this.#leadership.takeNews()) {\n      if (!this.isLeader) this.#proposer.failInflight({ kind: 'notCommitted' })\n",
      ),
    ],
  },
  {
    name: 'skipped-entry-taken-for-lost',
    source: 'what a snapshot covers may have taken effect',
    edits: [
      edit(
        'src/replica/proposer.ts',
        "for (const entry of skipped) failFrom(entry, 0, { kind: 'unknown' })",
        "for (const entry of skipped) failFrom(entry, 0, { kind: 'notCommitted' })",
      ),
    ],
  },
  {
    name: 'prefix-deleted-without-a-bound',
    source: 'eRaft storage/rocksdb.go: deleting one shard deletes all behind it',
    edits: [
      edit(
        'src/replica/state/engine-records.ts',
        'const ranges = [dataEpochs(0, next.data), metaEpochs(0, next.meta)]',
        'const ranges = [dataEpochs(0, EPOCH_MAX), metaEpochs(0, next.meta)]',
      ),
    ],
  },
  {
    name: 'frame-between-nodes-not-checked',
    source: 'eRaft: no checksums on the wire',
    edits: [
      edit(
        'src/replica/transport/frame.ts',
        'if (actual !== expected) throw',
        'if (actual !== expected && checked.length < 1) throw',
      ),
    ],
  },
]
