/**
 * Rebuilds one group from its records, in order, and decides whether what is there can be all that
 * there was (docs/formats/log.md, "Torn or rotten").
 *
 * Nothing is believed because it came later: entries join only where the entry before them is at
 * hand with the right term. Whatever can't be joined is left out and the group counts as damaged,
 * until later records define it anew or a `repaired` record vouches for it.
 */
import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import type { GroupId } from '../../base/ids.ts'
import type { Entry, HardState, LogIndex } from '../../base/log-entry.ts'
import { INDEX_ZERO, TERM_ZERO } from '../../base/log-entry.ts'
import { GroupIndex } from './group-index.ts'
import type { GroupRecord } from './record-reader.ts'
import type { LogDamage, RecoveredGroup } from './shared-log.ts'

export type Place = { readonly path: string; readonly segment: number; readonly offset: number }
export type Cause = { readonly path: string; readonly offset: number; readonly detail: string }

const FRESH: HardState = { term: TERM_ZERO, vote: null, commit: INDEX_ZERO }

export class GroupReplay {
  readonly index: GroupIndex
  #entries: Entry[] = []
  /** Entries may be missing or stale behind those at hand. */
  #lacksEntries = false
  #lacksHardState = false
  #lacksBase = false
  /** Reported as damaged at an earlier start and not repaired since. */
  #wasDamaged = false
  #cause: Cause | null = null
  #highestSeen: number | null = null

  constructor(group: GroupId) {
    this.index = new GroupIndex(group)
  }

  /** Records of this group may be lost at this point of the log. */
  markLoss(cause: Cause): void {
    this.#lacksEntries = true
    this.#lacksHardState = true
    if (this.index.baseSegment === 0) this.#lacksBase = true
    this.#cause ??= cause
    this.#saw(this.index.last)
  }

  apply(record: Exclude<GroupRecord, { kind: 'dropGroup' }>, place: Place): void {
    this.#applyKind(record, place)
    if (this.isDamaged) return
    this.#cause = null
    this.#highestSeen = null
  }

  #applyKind(record: Exclude<GroupRecord, { kind: 'dropGroup' }>, place: Place): void {
    switch (record.kind) {
      case 'entries':
        return this.#applyEntries(record, place)
      case 'hardState':
        this.index.setHardState(record.hardState, place.segment)
        this.#lacksHardState = false
        return
      case 'base':
        return this.#applyBase(record, place)
      case 'damage':
        return this.#applyDamage(record)
      case 'repaired':
        return this.#applyRepaired(record)
    }
  }

  get isDamaged(): boolean {
    return this.#wasDamaged || this.#lacksEntries || this.#lacksHardState || this.#lacksBase
  }

  result(): RecoveredGroup {
    const last = this.index.last
    assert(this.#entries.length === last - this.index.base.index)
    const hardState = this.index.hardState ?? FRESH
    const isDamaged = this.isDamaged
    return {
      group: this.index.group,
      // What was committed may be what is lost.
      hardState: isDamaged && hardState.commit > last ? { ...hardState, commit: last } : hardState,
      base: this.index.base,
      membership: this.index.membership,
      entries: this.#entries,
      damage: isDamaged ? this.#damage() : null,
    }
  }

  #damage(): LogDamage {
    assert(this.#cause !== null)
    const lastSyncedIndex = this.#highestSeen as LogIndex | null
    return { ...this.#cause, lastSyncedIndex }
  }

  #applyEntries(record: Extract<GroupRecord, { kind: 'entries' }>, place: Place): void {
    const { previous, entries } = record
    this.#saw(previous.index + entries.length)
    if (this.index.termAt(previous.index) !== previous.term) {
      if (!this.#mayImplyBase(previous.index)) {
        this.#lacksEntries = true
        this.#cause ??= { ...causeAt(place), detail: `entries before ${previous.index + 1} are missing` }
        return
      }
      // The records before this one went with a removed segment, or were lost.
      this.index.implyBase(previous)
      this.#entries = []
      this.#lacksBase = true
      this.#cause ??= { ...causeAt(place), detail: `no base record before entry ${previous.index + 1}` }
    }
    let bytes = 0
    for (const entry of entries) bytes += entry.payload.length
    this.#entries.length = previous.index - this.index.base.index
    this.index.beginEntries(previous.index + 1, place.segment, bytes)
    for (const entry of entries) {
      this.index.extend(entry.term)
      this.#entries.push(entry)
    }
    this.#lacksEntries = false
  }

  /** Before the first base record, the first entries (or ones that overwrite below them) tell where the log starts. */
  #mayImplyBase(previousIndex: number): boolean {
    if (this.index.baseSegment !== 0) return false
    return this.#entries.length === 0 || previousIndex < this.index.base.index
  }

  #applyBase(record: Extract<GroupRecord, { kind: 'base' }>, place: Place): void {
    const { position, membership, discardsTail } = record
    this.#saw(position.index)
    this.#lacksBase = false
    const term = this.index.termAt(position.index)
    const keepsTail = !discardsTail && term === position.term
    const isBehind = position.index >= this.index.last
    if (discardsTail) this.#lacksEntries = false
    else if (!keepsTail && !isBehind) {
      // An older base than the one at hand, or another history: only a later record can say more.
      this.#lacksEntries = true
      this.#cause ??= { ...causeAt(place), detail: `the base at ${position.index} does not fit the entries` }
    }
    if (keepsTail) this.#entries.splice(0, position.index - this.index.base.index)
    else this.#entries = []
    this.index.setBase(position, Buffer.from(membership), place.segment, keepsTail)
  }

  #applyDamage(record: Extract<GroupRecord, { kind: 'damage' }>): void {
    const { path, offset, detail, lastSyncedIndex } = record.damage
    this.#wasDamaged = true
    this.#cause = { path, offset, detail }
    if (lastSyncedIndex !== null) this.#saw(lastSyncedIndex)
    // The host was given the entries up to here; a sector that can be read again changes nothing.
    if (this.index.last > record.lastKept && record.lastKept >= this.index.base.index) {
      this.index.truncate(record.lastKept + 1)
      this.#entries.length = record.lastKept - this.index.base.index
    }
  }

  #applyRepaired(record: Extract<GroupRecord, { kind: 'repaired' }>): void {
    const { index, term } = record.position
    if (this.#lacksBase || this.index.last !== index || this.index.lastTerm !== term) return
    this.#wasDamaged = false
    this.#lacksEntries = false
    this.#lacksHardState = false
  }

  #saw(index: number): void {
    this.#highestSeen = Math.max(this.#highestSeen ?? 0, index)
  }
}

function causeAt(place: Place): { readonly path: string; readonly offset: number } {
  return { path: place.path, offset: place.offset }
}
