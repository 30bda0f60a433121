/** Bugs of elections: votes that are forgotten, given twice or too early, and leaders nobody needs. */
import { edit, type Mutant } from './mutant.ts'

export const ELECTION_MUTANTS: readonly Mutant[] = [
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
    name: 'vote-request-before-durable',
    source: 'Raft Fig. 2: the candidate votes for itself, durably, before it asks',
    edits: [
      edit('src/raft/election.ts', "sendAfterPersist(core, { kind: 'vote',", "send(core, { kind: 'vote',"),
    ],
  },
  {
    name: 'own-vote-counted-before-durable',
    source: 'Raft Fig. 2; the last vote may be the own one',
    edits: [
      edit(
        'src/raft/election.ts',
        "if (core.role !== 'candidate' || !core.durability.hasVote(core.term, core.id)) return",
        "if (core.role !== 'candidate') return",
      ),
    ],
  },
  {
    name: 'two-votes-in-a-term',
    source: 'Raft 5.2: at most one vote in a term',
    edits: [
      edit(
        'src/raft/election.ts',
        'const isFree = core.vote === message.from || (core.vote === null && core.leader === null)\n  const granted',
        'const isFree = core.leader === null\n  const granted',
      ),
    ],
  },
  {
    name: 'log-comparison-by-term-only',
    source: 'Raft 5.4.1; NuRaft#185: a committed entry rolled back by a bad vote',
    edits: [
      edit(
        'src/raft/raft-log.ts',
        'return theirs.term === lastTerm ? theirs.index >= this.lastIndex : theirs.term > lastTerm',
        'return theirs.term >= lastTerm',
      ),
    ],
  },
  {
    name: 'log-comparison-field-by-field',
    source: 'openraft a48a3282',
    edits: [
      edit(
        'src/raft/raft-log.ts',
        'return theirs.term === lastTerm ? theirs.index >= this.lastIndex : theirs.term > lastTerm',
        'return theirs.term >= lastTerm && theirs.index >= this.lastIndex',
      ),
    ],
  },
  {
    name: 'damaged-log-grants-votes',
    source: 'Protocol-Aware Recovery, FAST 2018; cockroach#756',
    edits: [
      edit(
        'src/raft/election.ts',
        'assert(message.term === core.term)\n  // It never grants: a refusal would only make the candidate give up on those that are about to.\n  if (isRepairing(core)) return\n',
        'assert(message.term === core.term)\n',
      ),
    ],
  },
  {
    name: 'vote-without-stickiness',
    source: 'Raft thesis 4.2.3: a removed replica deposes the leader again and again',
    edits: [
      edit(
        'src/raft/step.ts',
        "  if (message.kind === 'vote' && !message.isTransfer && isSticky(core, message)) return\n",
        '',
      ),
    ],
  },
  {
    name: 'pre-vote-despite-a-leader',
    source: 'Cloudflare 2020: a partial partition elects for ever',
    edits: [
      edit(
        'src/raft/election.ts',
        'if (isLeaderAlive(core) || isVoteUnderWay(core)) core.heldPreVote = message',
        'if (isVoteUnderWay(core)) core.heldPreVote = message',
      ),
    ],
  },
  {
    name: 'campaigns-again-while-a-vote-is-written',
    source: 'Raft 5.6: the time to broadcast, and to sync, must be far below the election timeout',
    edits: [
      edit(
        'src/raft/election.ts',
        '  if (isVoteUnderWay(core)) {\n    core.electionElapsed = 0\n    return\n  }\n',
        '',
      ),
      edit(
        'src/raft/election.ts',
        'if (isUndecided(core)) requestVotes(core, false)\n  else if (mustDefer(core))',
        'if (mustDefer(core))',
      ),
    ],
  },
  {
    name: 'stale-leader-is-not-told',
    source: 'cockroach#107060: pre-vote and check-quorum wedge each other',
    edits: [
      edit(
        'src/raft/step.ts',
        "  if (message.kind === 'append') {\n    answerHeartbeat(core, { from: message.from })\n  } else if (message.kind === 'heartbeat') {\n    answerHeartbeat(core, { from: message.from })\n  } else if (message.kind === 'vote') {",
        "  if (message.kind === 'vote') {",
      ),
    ],
  },
  {
    name: 'quorum-not-checked',
    source: 'Raft thesis 6.2; etcd#20418: a leader that hears nobody goes on',
    edits: [edit('src/raft/leader.ts', '    if (!hearsQuorum(core)) {', '    if (core.peers.length > 64) {')],
  },
  {
    name: 'election-timer-not-reset',
    source: 'Raft 5.2: heartbeats keep followers from campaigning',
    edits: [
      edit(
        'src/raft/follower.ts',
        '  core.electionElapsed = 0\n  core.hintedCampaignIn = null\n',
        '  core.hintedCampaignIn = null\n',
      ),
    ],
  },
  {
    name: 'transfer-to-one-that-lags',
    source: 'hashicorp/raft#581: transfer races writes',
    edits: [
      edit(
        'src/raft/leader.ts',
        'if (peer === undefined || peer.isRepairing || peer.match < core.log.lastIndex) return',
        'if (peer === undefined) return',
      ),
    ],
  },
  {
    name: 'writes-go-on-during-a-transfer',
    source: 'hashicorp/raft#581; Raft thesis 3.10',
    edits: [
      edit(
        'src/raft/leader.ts',
        "  if (core.transferTo !== null) return { kind: 'refused', reason: 'transferring' }\n  if (!hasRoom(",
        '  if (!hasRoom(',
      ),
    ],
  },
]
