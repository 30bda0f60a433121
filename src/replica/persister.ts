/**
 * Writes what consensus wants durable to the shared log, in order, and says when it is.
 *
 * Failure model: when the log fails, what was not yet durable is kept; after the log was reopened
 * it is appended again from memory (never synced again in the abandoned file). Until then nothing
 * that depends on it is acknowledged.
 */
import assert from 'node:assert/strict'
import type { GroupId } from '../base/ids.ts'
import type { LogPosition } from '../base/log-entry.ts'
import { encodeMembership } from '../raft/membership-codec.ts'
import type { Ready } from '../raft/raft.ts'
import type { LogRecord, SharedLog } from '../storage/log/shared-log.ts'

type Step = {
  readonly number: number
  readonly records: readonly LogRecord[]
  readonly onDurable: () => void
  isDurable: boolean
}

export class Persister {
  readonly #group: GroupId
  readonly #log: SharedLog
  readonly #onFailure: (error: Error) => void
  /** In order; the head is the oldest that is not durable or not reported yet. */
  #steps: Step[] = []
  #lastNumber = 0
  #generation = 0
  #isFailed = false

  constructor(group: GroupId, log: SharedLog, onFailure: (error: Error) => void) {
    this.#group = group
    this.#log = log
    this.#onFailure = onFailure
  }

  get hasFailed(): boolean {
    return this.#isFailed
  }

  /** Names the oldest write that is not durable; null: all are. */
  get oldestWaiting(): number | null {
    return this.#steps[0]?.number ?? null
  }

  /** `onDurable` runs in the order of the calls, and at once when there is nothing to write or wait for. */
  persist(ready: Ready, onDurable: () => void): void {
    this.#add(recordsOf(this.#group, ready), onDurable)
  }

  /** The log of this group starts after `position` from now on. */
  setBase(position: LogPosition, membership: Uint8Array): void {
    this.#add([{ kind: 'base', group: this.#group, position, membership, discardsTail: false }], () => {})
  }

  /** What the log holds from here on is all that this replica answers for: its damage is undone. */
  markRepaired(onDurable: () => void): void {
    this.#add([{ kind: 'repaired', group: this.#group }], onDurable)
  }

  /** After the log was reopened: everything not known to be durable goes into the new segment. */
  resume(): void {
    assert(this.#isFailed)
    this.#isFailed = false
    this.#generation += 1
    const steps = this.#steps
    this.#steps = []
    for (const step of steps) this.#add(step.records, step.onDurable)
  }

  #add(records: readonly LogRecord[], onDurable: () => void): void {
    this.#lastNumber += 1
    const step: Step = { number: this.#lastNumber, records, onDurable, isDurable: records.length === 0 }
    this.#steps.push(step)
    if (step.isDurable) {
      this.#report()
      return
    }
    if (this.#isFailed) return
    const generation = this.#generation
    this.#log.append(records, (error) => {
      if (generation !== this.#generation) return
      if (error !== undefined) this.#fail(error)
      else this.#complete(step)
    })
  }

  #complete(step: Step): void {
    step.isDurable = true
    this.#report()
  }

  #report(): void {
    while (this.#steps[0]?.isDurable === true) (this.#steps.shift() as Step).onDurable()
  }

  #fail(error: Error): void {
    if (this.#isFailed) return
    this.#isFailed = true
    this.#onFailure(error)
  }
}

function recordsOf(group: GroupId, ready: Ready): readonly LogRecord[] {
  const records: LogRecord[] = []
  if (ready.snapshot !== null) {
    const { position, membership } = ready.snapshot
    records.push({
      kind: 'base',
      group,
      position,
      membership: encodeMembership(membership),
      discardsTail: true,
    })
  }
  if (ready.entries.length > 0) records.push({ kind: 'entries', group, entries: ready.entries })
  if (ready.hardState !== null) records.push({ kind: 'hardState', group, hardState: ready.hardState })
  return records
}
