/** Bugs of the log: entries acknowledged, committed, applied or replaced against the rules. */
import { edit, type Mutant } from './mutant.ts'

export const REPLICATION_MUTANTS: readonly Mutant[] = [
  {
    name: 'append-acknowledged-before-durable',
    source: 'Raft Fig. 2; etcd#14370',
    edits: [
      edit(
        'src/raft/follower.ts',
        "sendAfterPersist(core, { kind: 'appendReply'",
        "send(core, { kind: 'appendReply'",
      ),
    ],
  },
  {
    name: 'leader-counts-itself-before-durable',
    source: 'Raft thesis 10.2.1, done wrong',
    edits: [
      edit('src/raft/core.ts', 'return core.durability.persistedIndex\n', 'return core.log.lastIndex\n'),
    ],
  },
  {
    name: 'applied-before-durable',
    source: 'etcd#10508: the engine ahead of the own log',
    edits: [
      edit(
        'src/raft/ready.ts',
        'function lastToApply(core: Core): number {\n  return Math.min(core.commit, core.durability.persistedIndex)',
        'function lastToApply(core: Core): number {\n  return core.commit',
      ),
    ],
  },
  {
    name: 'write-in-flight-proves-what-was-replaced',
    source: 'etcd-io/raft, testdata/async_storage_writes_append_aba_race.txt',
    edits: [
      edit(
        'src/raft/durability.ts',
        '    for (const write of this.#inFlight) {\n      if (write.provesIndex > kept) write.provesIndex = kept\n    }\n',
        '',
      ),
    ],
  },
  {
    name: 'commit-earlier-term-by-count',
    source: 'Raft Fig. 8',
    edits: [
      edit(
        'src/raft/replication.ts',
        'if (agreed <= core.commit || core.log.termAt(agreed) !== core.term) return',
        'if (agreed <= core.commit) return',
      ),
    ],
  },
  {
    // The first edit alone is harmless: our leader finds the place of agreement exactly, so that its
    // appends replace whatever conflicts, and hide the second. One that begins anew does not.
    name: 'commit-beyond-last-new-entry',
    source: 'Raft Fig. 2, receiver rule 5; eRaft',
    edits: [
      edit(
        'src/raft/progress.ts',
        'this.toProbe(Math.max(Math.min(rejected, hint + 1), this.#match + 1) as LogIndex)',
        'this.toProbe(Math.max(Math.min(rejected, hint - 2), this.#match + 1) as LogIndex)',
      ),
      edit(
        'src/raft/follower.ts',
        'Math.min(message.commit, lastNew)',
        'Math.min(message.commit, log.lastIndex)',
      ),
    ],
  },
  {
    name: 'heartbeat-commits-beyond-match',
    source: 'etcd-io/raft bcastHeartbeat: min(match, committed)',
    edits: [
      edit(
        'src/raft/replication.ts',
        'commit: Math.min(peer.match, core.commit) as LogIndex,',
        'commit: core.commit,',
      ),
    ],
  },
  {
    name: 'truncate-on-stale-append',
    source: 'openraft 9540c904',
    edits: [
      edit(
        'src/raft/follower.ts',
        '  if (at === entries.length) return\n',
        '  if (at === entries.length) {\n    const last = entries[at - 1]\n    if (last !== undefined && last.index < core.log.lastIndex) truncateFrom(core, (last.index + 1) as LogIndex)\n    return\n  }\n',
      ),
    ],
  },
  {
    name: 'append-without-comparing-terms',
    source: 'Raft 5.3: log matching',
    edits: [
      edit(
        'src/raft/follower.ts',
        'if (!log.matches(message.previous)) {',
        'if (log.termAt(message.previous.index) === null) {',
      ),
    ],
  },
  {
    name: 'missing-index-has-term-zero',
    source: 'etcd-io/raft 76f1249',
    edits: [
      edit(
        'src/raft/raft-log.ts',
        'if (slot < this.#head || slot >= this.#entries.length) return null',
        'if (slot < this.#head || slot >= this.#entries.length) return 0 as Term',
      ),
    ],
  },
  {
    name: 'quorum-one-short',
    source: 'openraft d60f1e85',
    edits: [
      edit(
        'src/raft/quorum.ts',
        'return sorted[count - majorityOf(count)] as number',
        'return sorted[Math.min(count - 1, count - majorityOf(count) + 1)] as number',
      ),
    ],
  },
  {
    name: 'quorum-of-unsorted-progress',
    source: 'openraft#1802',
    edits: [
      edit(
        'src/raft/quorum.ts',
        'while (at > 0 && (sorted[at - 1] as number) > value)',
        'while (at > 1 && (sorted[at - 1] as number) > value)',
      ),
    ],
  },
  {
    name: 'bytes-in-flight-leak',
    source: 'etcd-io/raft e419ba5: a peer stalls for ever',
    edits: [
      edit(
        'src/raft/inflights.ts',
        '    this.#head = 0\n    this.#count = 0\n    this.#bytes = 0\n',
        '    this.#head = 0\n    this.#count = 0\n',
      ),
    ],
  },
  {
    name: 'refusal-does-not-move-the-probe',
    source: 'eRaft: a rejection that stalls replication',
    edits: [
      edit(
        'src/raft/progress.ts',
        'this.toProbe(Math.max(Math.min(rejected, hint + 1), this.#match + 1) as LogIndex)',
        'this.toProbe(this.#next)',
      ),
    ],
  },
  {
    name: 'snapshot-keeps-conflicting-log',
    source: 'Raft Fig. 13; eRaft CondInstallSnapshot',
    edits: [
      edit(
        'src/raft/follower.ts',
        'if (core.log.matches(position)) {',
        'if (core.log.termAt(position.index) !== null) {',
      ),
    ],
  },
  {
    name: 'lost-acknowledgement-not-taken-back',
    source: 'Protocol-Aware Recovery, FAST 2018: a damaged peer is never filled again',
    edits: [
      edit(
        'src/raft/leader.ts',
        'if (message.isRepairing && (message.index <= peer.match || message.conflict.index < peer.match)) {',
        'if (message.isRepairing && peer.match < 0) {',
      ),
    ],
  },
  {
    name: 'repair-ends-before-a-leader-was-heard',
    source: 'Protocol-Aware Recovery, FAST 2018: a log can not tell what it lost',
    edits: [
      edit(
        'src/raft/repair.ts',
        'if (core.mayVoteFrom === null || !core.isRepairGoalKnown) return',
        'if (core.mayVoteFrom === null) return',
      ),
    ],
  },
  {
    name: 'repair-without-hearing-the-voters',
    source: 'docs/design/0005-lost-votes.md: a forgotten vote is given twice',
    edits: [
      edit('src/raft/repair.ts', '    if (votersToHear(core, core.lostVote).length > 0) return\n', ''),
      edit('src/raft/repair.ts', '    core.vote ??= core.id\n', ''),
    ],
  },
  {
    name: 'promises-of-an-earlier-term-leave',
    source: 'an acknowledgement that waits for a write from which its entries have gone',
    edits: [
      edit(
        'src/raft/roles.ts',
        '    if (core.messagesAfterPersist.length > 0) core.messagesAfterPersist = []\n',
        '',
      ),
    ],
  },
]
