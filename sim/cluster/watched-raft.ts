/**
 * A consensus core with the checker around it: every call is told to the checker, and the core's
 * own invariants are checked after it.
 */
import type { Message } from '../../src/raft/message.ts'
import type { Raft, RaftState, Ready } from '../../src/raft/raft.ts'
import type { RaftChecker } from '../raft-checker.ts'

/** The core's own check walks the whole log; the checker sees every call, this one a sample. */
const CALLS_PER_FULL_CHECK = 64
/** They change nothing, so nothing is to be checked after them. */
const READING = new Set<string | symbol>([
  'status',
  'termAt',
  'membershipAt',
  'hasReady',
  'checkInvariants',
  'compactionPoint',
])

export function watchRaft(raft: Raft, state: RaftState, checker: RaftChecker): Raft {
  let calls = 0
  const afterPersist = new Map<number, readonly Message[]>()
  checker.started(raft.id, state)
  const observe = (): void => {
    calls += 1
    if (calls % CALLS_PER_FULL_CHECK === 0) raft.checkInvariants()
    checker.observed(raft)
  }
  const told: Pick<Raft, 'readIndex' | 'takeReady' | 'persisted'> = {
    readIndex: (context) => {
      checker.readAsked(raft.id, context)
      const isAsked = raft.readIndex(context)
      observe()
      return isAsked
    },
    takeReady: () => {
      const ready: Ready = raft.takeReady()
      checker.readyTaken(raft, ready)
      for (const message of ready.messages) checker.sent(message)
      for (const grant of ready.reads) checker.readGranted(raft.id, grant)
      afterPersist.set(ready.number, ready.messagesAfterPersist)
      return ready
    },
    persisted: (number) => {
      raft.persisted(number)
      checker.persisted(raft.id, number)
      observe()
      for (const message of afterPersist.get(number) ?? []) checker.sent(message)
      afterPersist.delete(number)
    },
  }
  return new Proxy(raft, {
    get: (_target, name) => {
      if (Object.hasOwn(told, name)) return Reflect.get(told, name)
      const member: unknown = Reflect.get(raft, name, raft)
      if (typeof member !== 'function') return member
      return (...given: unknown[]): unknown => {
        const result: unknown = Reflect.apply(member, raft, given)
        if (!READING.has(name)) observe()
        return result
      }
    },
  })
}
