/** Bugs of linearizable reads: answers that are older than what was committed when they were asked. */
import { edit, type Mutant } from './mutant.ts'

export const READ_MUTANTS: readonly Mutant[] = [
  {
    name: 'read-index-without-commit-in-term',
    source: 'etcd#7331, tikv#6340, redisraft#22',
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
    name: 'read-index-answers-what-is-applied',
    source: 'tikv#9239: the latest is checked, an older one is answered',
    edits: [
      edit(
        'src/raft/read-index.ts',
        'core.readQueue.push(read, core.commit, core.round + 1)',
        'core.readQueue.push(read, core.applied, core.round + 1)',
      ),
    ],
  },
  {
    name: 'read-joins-a-round-under-way',
    source: 'Raft thesis 6.4: the round must begin after the read was asked',
    edits: [
      edit(
        'src/raft/read-index.ts',
        'core.readQueue.push(read, core.commit, core.round + 1)',
        'core.readQueue.push(read, core.commit, Math.max(1, core.round))',
      ),
    ],
  },
  {
    name: 'read-contexts-used-twice',
    source: 'etcd-io/raft#397: an answer to an earlier incarnation',
    edits: [
      edit(
        'src/raft/core.ts',
        'Math.floor(options.random() * FIRST_BATCH_RANGE) * BATCHES_PER_INCARNATION,',
        '0 * FIRST_BATCH_RANGE * BATCHES_PER_INCARNATION,',
      ),
    ],
  },
  {
    name: 'reads-outlive-the-leadership',
    source: 'tikv#8034: what a leader may answer ends with its term',
    edits: [
      edit(
        'src/raft/roles.ts',
        "  if (core.role === 'leader' || core.leader !== leader) dropReads(core)\n",
        '  if (core.term < 0) dropReads(core)\n',
      ),
    ],
  },
]
