/** Takes one message: sorts it by term (Raft §5.1), then to its handler. */
import assert from 'node:assert/strict'
import { unreachable } from '../base/unreachable.ts'
import type { Core } from './core.ts'
import { send } from './core.ts'
import {
  handlePreVote,
  handlePreVoteReply,
  handleTimeoutNow,
  handleVote,
  handleVoteReply,
  isLeaderAlive,
} from './election.ts'
import { answerHeartbeat, handleAppend, handleHeartbeat } from './follower.ts'
import { handleAppendReply, handleHeartbeatReply } from './leader.ts'
import type { Message } from './message.ts'
import { handleReadIndex, handleReadIndexReply } from './read-index.ts'
import { handleTermReply, handleTermRequest } from './repair.ts'
import { becomeFollower } from './roles.ts'

export function step(core: Core, message: Message): void {
  assert(message.to === core.id, `a message for ${message.to} reached ${core.id}`)
  assert(message.from !== core.id, 'a message from this replica to itself')
  if (message.kind === 'termRequest') {
    handleTermRequest(core, message)
    return
  }
  if (message.term < core.term) {
    answerLate(core, message)
    return
  }
  // Stickiness comes before the term: a candidate that a live leader's follower ignores must not
  // be able to depose that leader by its term either.
  if (message.kind === 'vote' && !message.isTransfer && isSticky(core, message)) return
  if (message.term > core.term && !isPreVoteTerm(message)) {
    const isFromLeader = message.kind === 'append' || message.kind === 'heartbeat'
    becomeFollower(core, message.term, isFromLeader ? message.from : null)
  }
  dispatch(core, message)
}

function dispatch(core: Core, message: Exclude<Message, { kind: 'termRequest' }>): void {
  switch (message.kind) {
    case 'append':
      return handleAppend(core, message)
    case 'appendReply':
      return handleAppendReply(core, message)
    case 'heartbeat':
      return handleHeartbeat(core, message)
    case 'heartbeatReply':
      return handleHeartbeatReply(core, message)
    case 'preVote':
      return handlePreVote(core, message)
    case 'preVoteReply':
      return handlePreVoteReply(core, message)
    case 'vote':
      return handleVote(core, message)
    case 'voteReply':
      return handleVoteReply(core, message)
    case 'readIndex':
      return handleReadIndex(core, message)
    case 'readIndexReply':
      return handleReadIndexReply(core, message)
    case 'timeoutNow':
      return handleTimeoutNow(core, message)
    case 'termReply':
      return handleTermReply(core, message)
    default:
      return unreachable(message)
  }
}

function isSticky(core: Core, message: Message): boolean {
  return isLeaderAlive(core) && message.term > core.term
}

/** The term of a campaign that may never be: nobody moves there for it. */
function isPreVoteTerm(message: Message): boolean {
  return message.kind === 'preVote' || (message.kind === 'preVoteReply' && message.granted)
}

/**
 * A sender of an earlier term learns the present one where that frees it: a leader that was
 * replaced (or that a replica stuck in a higher term can't follow) steps down, a candidate stops
 * asking, and a pre-candidate catches up. Everything else is too late to matter.
 */
function answerLate(core: Core, message: Message): void {
  if (message.kind === 'append') {
    answerHeartbeat(core, { from: message.from })
  } else if (message.kind === 'heartbeat') {
    answerHeartbeat(core, { from: message.from })
  } else if (message.kind === 'vote') {
    send(core, { kind: 'voteReply', from: core.id, to: message.from, term: core.term, granted: false })
  } else if (message.kind === 'preVote') {
    send(core, { kind: 'preVoteReply', from: core.id, to: message.from, term: core.term, granted: false })
  } else if (message.kind === 'termReply') {
    handleTermReply(core, message)
  }
}
