/**
 * A consensus core with the checker around it: every call is told to the checker, and the core's
 * own invariants are checked after it.
 */
import type { Raft, RaftState } from '../../src/raft/raft.ts'
import type { Message } from '../../src/raft/message.ts'
import type { RaftChecker } from '../raft-checker.ts'

const CALLS_PER_FULL_CHECK = 64

export function watchRaft(raft: Raft, state: RaftState, checker: RaftChecker): Raft {
  let calls = 0
  const afterPersist = new Map<number, readonly Message[]>()
  checker.started(raft.id, state)
  const watched = <Result>(run: () => Result): Result => {
    const result = run()
    calls += 1
    // It walks the whole log: the checker below sees every call, this one a sample.
    if (calls % CALLS_PER_FULL_CHECK === 0) raft.checkInvariants()
    checker.observed(raft)
    return result
  }
  const call =
    <Arguments extends unknown[], Result>(method: (...given: Arguments) => Result) =>
    (...given: Arguments): Result =>
      watched(() => method.apply(raft, given))
  return {
    get id() {
      return raft.id
    },
    get role() {
      return raft.role
    },
    get term() {
      return raft.term
    },
    get leader() {
      return raft.leader
    },
    get commit() {
      return raft.commit
    },
    get lastIndex() {
      return raft.lastIndex
    },
    get logBytes() {
      return raft.logBytes
    },
    get isRepairing() {
      return raft.isRepairing
    },
    status: () => raft.status(),
    termAt: (index) => raft.termAt(index),
    membershipAt: (index) => raft.membershipAt(index),
    hasReady: () => raft.hasReady(),
    checkInvariants: () => raft.checkInvariants(),
    compactionPoint: (upTo, keepBytes) => raft.compactionPoint(upTo, keepBytes),
    tick: call(raft.tick),
    step: call(raft.step),
    peerClosed: call(raft.peerClosed),
    campaign: call(raft.campaign),
    propose: call(raft.propose),
    proposeMembership: call(raft.proposeMembership),
    readIndex: (context) => {
      checker.readAsked(raft.id, context)
      return watched(() => raft.readIndex(context))
    },
    transferLeadership: call(raft.transferLeadership),
    resign: call(raft.resign),
    takeReady: () => {
      const ready = raft.takeReady()
      checker.readyTaken(raft, ready)
      for (const message of ready.messages) checker.sent(message)
      for (const grant of ready.reads) checker.readGranted(raft.id, grant)
      afterPersist.set(ready.number, ready.messagesAfterPersist)
      return ready
    },
    persisted: (number) => {
      raft.persisted(number)
      checker.persisted(raft.id, number)
      watched(() => {})
      for (const message of afterPersist.get(number) ?? []) checker.sent(message)
      afterPersist.delete(number)
    },
    applied: call(raft.applied),
    compact: call(raft.compact),
    offerSnapshot: call(raft.offerSnapshot),
    reportSnapshot: call(raft.reportSnapshot),
    reportUnreachable: call(raft.reportUnreachable),
  }
}
