/**
 * Carries out what consensus wants: sends, logs, applies, installs snapshots. Sending, logging and applying
 * run side by side; what must wait for what is written in raft/raft.ts.
 *
 * While a snapshot is being installed nothing is taken from the core: the state is neither the old one nor
 * the new one.
 *
 * Failure model: a snapshot that can't be installed ends the replica (`onFailure`). The failures of log and
 * engine are told to the group by their own owners.
 */
import type { GroupId } from '../base/ids.ts'
import type { Logger } from '../env/logger.ts'
import type { Message } from '../raft/message.ts'
import type { Raft, Ready, SnapshotPosition } from '../raft/raft.ts'
import type { Applier } from './applier.ts'
import type { SentProposals } from './forwarding/sent-proposals.ts'
import type { Persister } from './persister.ts'
import type { Proposer } from './proposer.ts'
import type { Reader } from './reader.ts'
import { sendMessages } from './send-messages.ts'
import type { SnapshotDispatch } from './snapshot/snapshot-dispatch.ts'
import type { SnapshotReceiver } from './snapshot/snapshot-receiver.ts'
import type { StateStore } from './state/state-store.ts'
import type { Transport } from './transport/transport.ts'

export type ReadyRunnerParts<Command, Reply> = {
  readonly store: StateStore
  readonly persister: Persister
  readonly applier: Applier<Command, Reply>
  readonly proposer: Proposer<Command, Reply>
  readonly sent: SentProposals<Command, Reply>
  readonly reader: Reader<Command, Reply>
  readonly receiver: SnapshotReceiver
  readonly snapshots: SnapshotDispatch
}

export type ReadyRunnerCallbacks = {
  readonly isStopped: () => boolean
  /** The replica has neither failed nor been stopped. */
  readonly isRunning: () => boolean
  /** The core got news: there may be more to carry out. */
  readonly schedule: () => void
  /** The state jumped to a snapshot's. */
  readonly onInstalled: () => void
  readonly onFailure: (reason: string, isStateWrong: boolean) => void
}

export class ReadyRunner<Command, Reply> {
  readonly #group: GroupId
  readonly #raft: Raft
  readonly #world: { readonly logger: Logger; readonly transport: Transport }
  readonly #callbacks: ReadyRunnerCallbacks
  readonly #store: StateStore
  readonly #persister: Persister
  readonly #applier: Applier<Command, Reply>
  readonly #proposer: Proposer<Command, Reply>
  readonly #sent: SentProposals<Command, Reply>
  readonly #reader: Reader<Command, Reply>
  readonly #receiver: SnapshotReceiver
  readonly #snapshots: SnapshotDispatch
  #isInstalling = false

  constructor(
    group: GroupId,
    raft: Raft,
    world: { readonly logger: Logger; readonly transport: Transport },
    parts: ReadyRunnerParts<Command, Reply>,
    callbacks: ReadyRunnerCallbacks,
  ) {
    this.#group = group
    this.#raft = raft
    this.#world = world
    this.#callbacks = callbacks
    this.#store = parts.store
    this.#persister = parts.persister
    this.#applier = parts.applier
    this.#proposer = parts.proposer
    this.#sent = parts.sent
    this.#reader = parts.reader
    this.#receiver = parts.receiver
    this.#snapshots = parts.snapshots
  }

  get isInstalling(): boolean {
    return this.#isInstalling
  }

  run(): void {
    while (this.#raft.hasReady() && !this.#isInstalling) this.#carryOut(this.#raft.takeReady())
  }

  #carryOut(ready: Ready): void {
    this.#send(ready.messages)
    if (ready.snapshot !== null) {
      this.#install(ready, ready.snapshot)
    } else {
      this.#persist(ready)
      if (ready.committed.length > 0) this.#applier.enqueue(ready.committed)
    }
    for (const grant of ready.reads) this.#reader.settleRound(grant.context, grant.index)
    for (const context of ready.droppedReads) this.#reader.settleRound(context, null)
    for (const { to } of ready.snapshotsToSend) this.#snapshots.send(to)
  }

  #persist(ready: Ready): void {
    this.#persister.persist(ready, () => {
      if (this.#callbacks.isStopped()) return
      if (ready.snapshot !== null) this.#store.confirmInstall(ready.snapshot.position.index)
      this.#raft.persisted(ready.number)
      this.#send(ready.messagesAfterPersist)
      this.#callbacks.schedule()
    })
  }

  #install(ready: Ready, snapshot: SnapshotPosition): void {
    this.#isInstalling = true
    // Before the store changes under it: everything it still had to apply is in the snapshot.
    this.#applier.pause()
    const received = this.#receiver.take(snapshot.position)
    this.#store.install(received.applied, received.hash).then(
      () => this.#onInstalled(ready, snapshot),
      (error: unknown) => this.#callbacks.onFailure(`installing a snapshot failed: ${String(error)}`, false),
    )
  }

  #onInstalled(ready: Ready, snapshot: SnapshotPosition): void {
    this.#isInstalling = false
    if (!this.#callbacks.isRunning()) return
    const { index } = snapshot.position
    this.#world.logger.info('installed a snapshot', { group: this.#group, index })
    this.#proposer.skipTo(index)
    this.#sent.skipTo(snapshot.position.term)
    this.#raft.applied(index)
    this.#persist(ready)
    this.#applier.resume()
    this.#applier.enqueue(ready.committed)
    this.#reader.runGranted()
    this.#callbacks.onInstalled()
    this.#callbacks.schedule()
  }

  #send(messages: readonly Message[]): void {
    sendMessages(this.#world.transport, this.#group, messages)
  }
}
