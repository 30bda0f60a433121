/**
 * Bugs that real systems had, each re-created in as few characters as possible. The simulator is
 * worth what it is worth only as long as its general checkers kill them all.
 */
export type Mutant = {
  readonly name: string
  /** Where the bug was seen, or which rule it breaks. */
  readonly source: string
  readonly edits: readonly Edit[]
}

/** `find` must occur exactly once in the file. */
export type Edit = { readonly file: string; readonly find: string; readonly replace: string }

const edit = (file: string, find: string, replace: string): Edit => ({ file, find, replace })

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'vote-before-durable',
    source: 'Raft Fig. 2: persist before answering',
    edits: [
      edit(
        'src/raft/election.ts',
        "sendAfterPersist(core, { kind: 'voteReply'",
        "send(core, { kind: 'voteReply'",
      ),
    ],
  },
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
    name: 'read-index-without-commit-in-term',
    source: 'etcd#7331, tikv#6340',
    edits: [
      edit(
        'src/raft/read-index.ts',
        'if (hasCommittedInTerm(core)) askNow(core, read)',
        'if (true) askNow(core, read)',
      ),
      edit(
        'src/raft/read-index.ts',
        "assert(core.role === 'leader' && hasCommittedInTerm(core))",
        "assert(core.role === 'leader')",
      ),
    ],
  },
  {
    name: 'read-without-asking-a-quorum',
    source: 'a leader that trusts itself; etcd#20418',
    edits: [
      edit('src/raft/read-index.ts', 'if (isSoleVoter(core.memberships.current, core.id)) {', 'if (true) {'),
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
    name: 'commit-beyond-last-new-entry',
    source: 'Raft Fig. 2, receiver rule 5; eRaft',
    edits: [
      edit(
        'src/raft/follower.ts',
        'Math.min(message.commit, lastNew)',
        'Math.min(message.commit, log.lastIndex)',
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
    name: 'log-comparison-by-term-only',
    source: 'Raft 5.4.1; NuRaft#185',
    edits: [
      edit(
        'src/raft/raft-log.ts',
        'return theirs.term === lastTerm ? theirs.index >= this.lastIndex : theirs.term > lastTerm',
        'return theirs.term >= lastTerm',
      ),
    ],
  },
  {
    name: 'vote-not-persisted',
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
    name: 'membership-before-commit-in-term',
    source: 'Ongaro, raft-dev 2015',
    edits: [
      edit(
        'src/raft/leader.ts',
        'return hasCommittedInTerm(core) && !isJoint(current) && currentIndex <= core.applied',
        'return !isJoint(current)',
      ),
    ],
  },
  {
    name: 'log-without-sync',
    source: 'Jepsen NATS 2.12.1: lazy fsync',
    edits: [
      edit(
        'src/storage/log/segmented-log.ts',
        'active.file.writeAndSync([bytes], this.#offset)',
        'active.file.write([bytes], this.#offset)',
      ),
    ],
  },
  {
    name: 'sync-tried-again-after-failure',
    source: 'fsyncgate, PostgreSQL 2018',
    edits: [
      edit(
        'src/storage/log/segmented-log.ts',
        'active.file.writeAndSync([bytes], this.#offset)',
        'active.file.writeAndSync([bytes], this.#offset).catch(() => active.file.datasync())',
      ),
    ],
  },
  {
    name: 'rotten-taken-for-torn',
    source: 'Protocol-Aware Recovery, FAST 2018',
    edits: [
      edit(
        'src/storage/log/log-recovery.ts',
        '    info.isDamaged = true\n    this.#lose(piece.groups, { path: segment.path, offset: piece.offset, detail: piece.detail })',
        '    info.isDamaged = piece.offset < 0 && segment === null',
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
    name: 'lost-log-accepted',
    source: 'node-id reuse after a wipe: openraft FAQ',
    edits: [
      edit(
        'src/server/node.ts',
        'if (identity.replicaId !== null) await refuseLostLog(world.disk, identity)',
        '',
      ),
      edit(
        'src/server/node-parts.ts',
        'if (founding === null && !host.groups.has(CONTROL_GROUP)) throw lostLog(this.#identity)',
        'if (founding === null && this.isStopping) throw lostLog(this.#identity)',
      ),
    ],
  },
  {
    name: 'log-cut-beyond-the-engine',
    source: 'etcd#10508: apply before persist',
    edits: [
      edit(
        'src/replica/log-cutter.ts',
        'const durable = await this.#store.persist()',
        'const durable = await Promise.resolve(this.#store.applied)',
      ),
    ],
  },
  {
    name: 'applied-index-not-atomic',
    source: 'etcd#13766',
    edits: [
      edit(
        'src/replica/state-store.ts',
        '    this.#engine.write(operations).then(\n',
        '    void this.#engine.write(operations.slice(0, -1))\n    this.#engine.write(operations.slice(-1)).then(\n',
      ),
    ],
  },
  {
    name: 'snapshot-epoch-not-switched',
    source: 'eRaft restoreSnapshot: resurrection',
    edits: [
      edit(
        'src/replica/state-store.ts',
        '    this.#keys = makeEngineKeys(applied.epochs)\n    this.#clearedEpochs',
        '    this.#clearedEpochs',
      ),
    ],
  },
  {
    name: 'read-before-applied',
    source: 'Raft thesis 6.4, step 4',
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
    name: 'session-not-looked-up',
    source: 'eRaft; MIT 6.824: duplicates after a retry',
    edits: [
      edit(
        'src/kv/session.ts',
        '  if (run !== null) {\n    if (run.reply',
        '  if (run !== null && tag.sequence < 0) {\n    if (run.reply',
      ),
    ],
  },
  {
    name: 'retry-without-session',
    source: 'Jepsen TiDB 2.1.7: automatic retry',
    edits: [
      edit(
        'src/server/routing/routers.ts',
        'return session.hasRoom ? { ...command, session: session.open() } : null',
        'return session.hasRoom ? command : null',
      ),
    ],
  },
]
