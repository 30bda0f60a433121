/**
 * The parts of one replica and how they are wired. `group.ts` decides when each gets its turn, and what a
 * failure of one means for the others.
 */
import type { ReplicaId } from '../base/ids.ts'
import type { LogIndex } from '../base/log-entry.ts'
import { decodeMembership } from '../raft/membership-codec.ts'
import { Admission } from './admission.ts'
import { Applier } from './applier.ts'
import { ProposalStreams } from './forwarding/proposal-streams.ts'
import { SentProposals } from './forwarding/sent-proposals.ts'
import type { GroupHealth, GroupWorld, OpenedGroup } from './group-contract.ts'
import type { GroupOptions } from './group-options.ts'
import { LogCutter } from './log-cutter.ts'
import { Persister } from './persister.ts'
import { Proposer } from './proposer.ts'
import { Reader } from './reader.ts'
import { ReadyRunner } from './ready-runner.ts'
import { SnapshotDispatch } from './snapshot/snapshot-dispatch.ts'
import { SnapshotReceiver } from './snapshot/snapshot-receiver.ts'
import type { StateStore } from './state/state-store.ts'
import { StateCheck } from './state-check.ts'

/** What the parts ask of their group, and tell it. */
export type GroupHooks = {
  readonly health: () => GroupHealth
  /** The replica has neither failed nor been stopped. */
  readonly isRunning: () => boolean
  readonly isStopped: () => boolean
  readonly isLeader: () => boolean
  /** The core may have something to carry out. */
  readonly schedule: () => void
  readonly onApplied: (index: LogIndex) => void
  /** The state jumped to a snapshot's. */
  readonly onInstalled: () => void
  readonly onFlushed: () => void
  /** Reads wait for logical time to reach their clock. */
  readonly onNeedTime: () => void
  readonly onSnapshotSent: (to: ReplicaId, index: LogIndex | null) => void
  readonly onDigest: (index: LogIndex, digest: string) => void
  readonly onLogFailure: (error: Error) => void
  /** The replica can't go on. */
  readonly onFailure: (reason: string, isStateWrong: boolean) => void
}

export type GroupParts<Command, Reply> = {
  readonly store: StateStore
  readonly persister: Persister
  readonly proposer: Proposer<Command, Reply>
  readonly sent: SentProposals<Command, Reply>
  readonly applier: Applier<Command, Reply>
  readonly reader: Reader<Command, Reply>
  readonly admission: Admission<Command, Reply>
  readonly receiver: SnapshotReceiver
  readonly stateCheck: StateCheck
  readonly cutter: LogCutter
  readonly runner: ReadyRunner<Command, Reply>
}

export function makeGroupParts<Command, Reply>(
  opened: OpenedGroup<Command, Reply>,
  world: GroupWorld,
  options: GroupOptions,
  hooks: GroupHooks,
): GroupParts<Command, Reply> {
  const { id, raft, machine } = opened
  const store = opened.makeStore({
    onFlushed: hooks.onFlushed,
    onFailure: (error) => hooks.onFailure(`the engine failed: ${String(error)}`, false),
  })
  const persister = new Persister(id, world.log, hooks.onLogFailure)
  const proposer = new Proposer(raft, machine, world, options.proposer, () => store.applied.timeMs)
  const sent = new SentProposals<Command, Reply>(raft.id, world.incarnation)
  const stateCheck = new StateCheck(id, raft, world.logger, hooks)
  const applier = new Applier(machine, store, world.clock, {
    takeLocal: (position) => {
      sent.reachedTerm(position.term)
      return proposer.takeLocal(position)
    },
    takeMarked: ({ term }, marks) => sent.takeMarked(term, marks),
    onApplied: hooks.onApplied,
    onCheck: (index, digest) => stateCheck.takeOwn(index, digest),
    onFailure: (error) => hooks.onFailure(`applying the log failed: ${String(error)}`, false),
  })
  const reader = new Reader(raft, machine, store, world, options.readsMax, {
    onFailure: (error) => hooks.onFailure(`reading the engine failed: ${String(error)}`, false),
    onNeedTime: hooks.onNeedTime,
  })
  const admission = new Admission(
    {
      raft,
      clock: world.clock,
      proposer,
      streams: new ProposalStreams(),
      sent,
      maxFollowLagEntries: options.maxFollowLagEntries,
      reader,
      advanceTime: opened.advanceTime,
    },
    { health: hooks.health, isRunning: hooks.isRunning, isLogFailed: () => persister.hasFailed },
  )
  const receiver = makeReceiver(opened, store, world, hooks)
  const snapshots = new SnapshotDispatch(id, raft, store, world, {
    isLeading: hooks.isLeader,
    onEnd: hooks.onSnapshotSent,
  })
  const cutter = new LogCutter(raft, store, persister, options, world, hooks.schedule)
  const parts = { store, persister, proposer, sent, applier, reader, receiver, snapshots }
  const runner = new ReadyRunner(id, raft, world, parts, hooks)
  return { ...parts, admission, stateCheck, cutter, runner }
}

function makeReceiver<Command, Reply>(
  { raft, machine }: OpenedGroup<Command, Reply>,
  store: StateStore,
  world: GroupWorld,
  hooks: GroupHooks,
): SnapshotReceiver {
  return new SnapshotReceiver({
    store,
    partitionOf: (key) => machine.partitionOf(key),
    logger: world.logger,
    term: () => raft.term,
    offer: (position, membership, from, term) => {
      const snapshot = { position, membership: decodeMembership(membership) }
      const isAccepted = raft.offerSnapshot(snapshot, from, term)
      hooks.schedule()
      return isAccepted
    },
  })
}
