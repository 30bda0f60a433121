/** Bugs of membership changes: who counts, from when on, and what a restart or a snapshot makes of it. */
import { edit, type Mutant } from './mutant.ts'

export const MEMBERSHIP_MUTANTS: readonly Mutant[] = [
  {
    name: 'membership-before-commit-in-term',
    source: 'Ongaro, raft-dev 2015: a change that an earlier leader began is not seen',
    edits: [
      edit(
        'src/raft/leader.ts',
        'return hasCommittedInTerm(core) && !isJoint(current) && currentIndex <= core.applied',
        'return !isJoint(current)',
      ),
    ],
  },
  {
    name: 'membership-changed-in-one-step',
    source: 'Raft Fig. 10: two majorities that need not meet',
    edits: [
      edit(
        'src/raft/membership-change.ts',
        '    votersOutgoing: current.voters,\n',
        '    votersOutgoing: [],\n',
      ),
      edit(
        'src/raft/membership-change.ts',
        '    learners: learners.filter((id) => !current.voters.includes(id)),\n    learnersNext: learners.filter((id) => current.voters.includes(id)),',
        '    learners,\n    learnersNext: [],',
      ),
    ],
  },
  {
    name: 'joint-left-before-it-is-committed',
    source: 'etcd-io/raft bd3c759: leaving the joint configuration twice, or too soon',
    edits: [
      edit(
        'src/raft/replication.ts',
        'if (currentIndex > core.commit || !hasCommittedInTerm(core)) return',
        'if ((currentIndex > core.commit && !isJoint(current)) || !hasCommittedInTerm(core)) return',
      ),
    ],
  },
  {
    name: 'joint-ignored-by-elections',
    source: 'Raft 6: both majorities elect',
    edits: [
      edit(
        'src/raft/quorum.ts',
        "return incoming === 'won' && outgoing === 'won' ? 'won' : 'pending'",
        "return incoming === 'won' ? 'won' : outgoing",
      ),
    ],
  },
  {
    name: 'joint-ignored-by-commits',
    source: 'Raft 6: both majorities commit; openraft 6c0ccaf3',
    edits: [
      edit(
        'src/raft/quorum.ts',
        'return incoming < outgoing ? incoming : outgoing',
        'return incoming < outgoing ? outgoing : incoming',
      ),
    ],
  },
  {
    name: 'joint-forgotten-at-restart',
    source: 'openraft 6c0ccaf3',
    edits: [
      edit(
        'src/raft/core.ts',
        'for (const entry of state.entries) memberships.append(entry)',
        'for (const entry of state.entries) if (entry.index <= state.applied) memberships.append(entry)',
      ),
    ],
  },
  {
    name: 'joint-forgotten-in-a-snapshot',
    source: 'etcd-io/raft e515a67: restoring a joint configuration',
    edits: [
      edit(
        'src/raft/follower.ts',
        'core.memberships.reset(position.index, membership)',
        'core.memberships.reset(position.index, { ...membership, votersOutgoing: [], learnersNext: [] })',
      ),
    ],
  },
  {
    name: 'membership-kept-when-truncated',
    source: 'Raft 6: a configuration is a function of the log',
    edits: [
      edit('src/raft/core.ts', '  core.memberships.truncateFrom(index)\n', ''),
      edit(
        'src/raft/membership-history.ts',
        "    assert(entry.index > this.currentIndex, 'memberships are appended in order')\n",
        '',
      ),
    ],
  },
  {
    name: 'learners-count-for-the-commit',
    source: 'openraft beb0302b: committed without the voters',
    edits: [
      edit(
        'src/raft/quorum.ts',
        'const incoming = majorityValue(membership.voters, valueOf)',
        'const incoming = majorityValue([...membership.voters, ...membership.learners], valueOf)',
      ),
    ],
  },
  {
    name: 'learners-elect',
    source: 'Raft thesis 4.2.1: learners do not vote',
    edits: [
      edit(
        'src/raft/quorum.ts',
        'const incoming = majorityOutcome(membership.voters, votes)',
        'const incoming = majorityOutcome([...membership.voters, ...membership.learners], votes)',
      ),
      edit('src/raft/election.ts', 'import { allVoters } from', 'import { allMembers as allVoters } from'),
    ],
  },
]
