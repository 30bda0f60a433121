/**
 * The leader's side of replication: appends entries, sends them, and decides what is committed
 * (Raft §5.3, §5.4).
 *
 * Sending is lazy: proposals and acknowledgements only mark that a flush is due, and one flush per
 * Ready sends each peer everything that is new in as few messages as the limits allow. The
 * leader's own disk write of the same entries runs alongside.
 */
import assert from 'node:assert/strict'
import type { Entry, LogIndex, LogPosition } from '../base/log-entry.ts'
import { EntryKind } from '../base/log-entry.ts'
import type { Core } from './core.ts'
import { appendEntry, commitTo, send } from './core.ts'
import { allMembers, isJoint } from './membership.ts'
import { leaveJoint } from './membership-change.ts'
import { encodeMembership } from './membership-codec.ts'
import { MESSAGE_ENTRIES_MAX } from './message.ts'
import { Progress } from './progress.ts'
import { quorumValue } from './quorum.ts'
import { askEarlyReads, hasCommittedInTerm, releaseReads } from './read-index.ts'
import { becomeFollower } from './roles.ts'

const NO_ENTRIES: readonly Entry[] = []
const NO_PAYLOAD = new Uint8Array(0)

/** First acts of a new leader: nothing is known of the peers, and an entry of its own term must commit first (§8). */
export function startLeading(core: Core): void {
  assert(core.role === 'leader' && core.peers.length === 0)
  core.round = 0
  core.electionElapsed = 0
  core.heartbeatElapsed = 0
  core.isMembershipSettled = false
  admitPeers(core)
  appendOwn(core, EntryKind.empty, NO_PAYLOAD)
}

/** Appends an entry of the leader's own term. */
export function appendOwn(core: Core, kind: EntryKind, payload: Uint8Array): LogPosition {
  assert(core.role === 'leader')
  const position = { term: core.term, index: (core.log.lastIndex + 1) as LogIndex }
  appendEntry(core, { index: position.index, term: position.term, kind, payload })
  if (kind === EntryKind.membership) {
    core.isMembershipSettled = false
    admitPeers(core)
  }
  core.flushNeeded = true
  return position
}

/**
 * Members that are new get a place; members that are gone keep theirs until the change is
 * committed (`dismissPeers`), so that they learn that they were removed and fall silent.
 */
function admitPeers(core: Core): void {
  const { maxInflightMessages, maxInflightBytes } = core.options
  const next = (core.log.lastIndex + 1) as LogIndex
  for (const id of allMembers(core.memberships.current)) {
    if (id === core.id || core.peerById.has(id)) continue
    core.peerById.set(id, new Progress(id, next, true, maxInflightMessages, maxInflightBytes))
  }
  sortPeers(core)
}

function sortPeers(core: Core): void {
  core.peers = [...core.peerById.values()].sort((left, right) => left.id - right.id)
}

function dismissPeers(core: Core): void {
  const members = allMembers(core.memberships.current)
  let changed = false
  for (const peer of core.peers) {
    if (members.includes(peer.id)) continue
    // Its last message: that the change which removed it is committed.
    if (!peer.isBlocked) sendAppend(core, peer, true)
    core.peerById.delete(peer.id)
    changed = true
  }
  if (changed) sortPeers(core)
}

/** Sends every peer what it may be sent now. */
export function flushAppends(core: Core): void {
  assert(core.role === 'leader')
  if (core.roundNeeded) {
    core.roundNeeded = false
    core.round++
    broadcastHeartbeat(core)
    releaseReads(core)
  }
  if (!core.flushNeeded) return
  core.flushNeeded = false
  for (const peer of core.peers) {
    // Ends: each message moves `next` forward, fills the in-flight window, or blocks the peer.
    let isMore = true
    while (isMore) isMore = sendAppend(core, peer, false)
  }
}

/** One append to `peer`; false when nothing was sent, or nothing is left to send. */
function sendAppend(core: Core, peer: Progress, isForced: boolean): boolean {
  if (peer.isBlocked) return false
  const { log } = core
  const previousIndex = (peer.next - 1) as LogIndex
  const previousTerm = log.termAt(previousIndex)
  if (previousTerm === null) {
    askForSnapshot(core, peer)
    return false
  }
  const last = lastToSend(core, peer)
  const isNews = last >= peer.next || peer.sentCommit < core.commit || peer.isDue || isForced
  if (!isNews) return false
  const entries = last >= peer.next ? log.slice(peer.next, last) : NO_ENTRIES
  const bytes = entries === NO_ENTRIES ? 0 : log.bytesBetween(previousIndex, last)
  send(core, {
    kind: 'append',
    from: core.id,
    to: peer.id,
    term: core.term,
    previous: { term: previousTerm, index: previousIndex },
    entries,
    commit: core.commit,
  })
  peer.sentCommit = core.commit
  peer.sent(last, bytes)
  return last < log.lastIndex
}

/** The last entry that the limits let travel now; `next - 1` when none. */
function lastToSend(core: Core, peer: Progress): LogIndex {
  const { log, options } = core
  const none = (peer.next - 1) as LogIndex
  if (peer.next > log.lastIndex) return none
  const end = Math.min(log.lastIndex, none + MESSAGE_ENTRIES_MAX) as LogIndex
  const last = log.lastWithin(peer.next, end, options.maxMessageBytes)
  return peer.inflights.hasRoomFor(log.bytesBetween(none, last)) ? last : none
}

/** Only a peer that shows signs of life: a snapshot is too dear to send into the void. */
function askForSnapshot(core: Core, peer: Progress): void {
  if (!peer.isRecentlyActive) return
  peer.toSnapshot()
  core.snapshotsToSend.push({ to: peer.id, minIndex: core.log.base.index })
}

export function broadcastHeartbeat(core: Core): void {
  core.heartbeatElapsed = 0
  for (const peer of core.peers) {
    send(core, {
      kind: 'heartbeat',
      from: core.id,
      to: peer.id,
      term: core.term,
      // Never beyond what the peer is known to hold: a heartbeat proves nothing about its log.
      commit: Math.min(peer.match, core.commit) as LogIndex,
      round: core.round,
    })
  }
}

/**
 * Commits what a quorum holds durably. Only entries of the present term are committed by counting
 * (§5.4.2); earlier ones follow, because the log matches.
 */
export function advanceCommit(core: Core): void {
  assert(core.role === 'leader')
  const agreed = quorumValue(core.memberships.current, core.matchOf) as LogIndex
  if (agreed <= core.commit || core.log.termAt(agreed) !== core.term) return
  const isFirst = !hasCommittedInTerm(core)
  commitTo(core, agreed)
  core.flushNeeded = true
  if (isFirst) askEarlyReads(core)
  followUpMembership(core)
}

/** A membership that is committed is followed up: a joint one is left, one without this leader ends its term. */
export function followUpMembership(core: Core): void {
  assert(core.role === 'leader')
  if (core.isMembershipSettled) return
  const { current, currentIndex } = core.memberships
  if (currentIndex > core.commit || !hasCommittedInTerm(core)) return
  if (isJoint(current)) {
    // While leadership is handed over the log stands still, or the successor would never be up to date.
    if (core.transferTo !== null) return
    appendOwn(core, EntryKind.membership, encodeMembership(leaveJoint(current)))
    advanceCommit(core)
    return
  }
  core.isMembershipSettled = true
  dismissPeers(core)
  releaseReads(core)
  if (!current.voters.includes(core.id)) stepDownRemoved(core)
}

/** Tells everybody what is committed, names the best successor, and stops leading. */
function stepDownRemoved(core: Core): void {
  flushAppends(core)
  const successor = core.peers.find(
    (peer) => core.memberships.current.voters.includes(peer.id) && peer.match === core.log.lastIndex,
  )
  if (successor !== undefined) {
    send(core, { kind: 'timeoutNow', from: core.id, to: successor.id, term: core.term })
  }
  becomeFollower(core, core.term, null)
}
