/**
 * Rebuilds one group from its records, in order, and decides whether what is there can be all that
 * there was (docs/formats/log.md, "Torn or rotten").
 *
 * Nothing is believed because it came later: entries join only where the entry before them is at
 * hand with the right term (two logs that agree there agree on all before). What does not join is
 * kept apart as an island: after garbage collection the log may begin in the middle of a group, and
 * a later base record then shows that an island is all there is. A group is whole when one island
 * is left, begins at the base, and no loss since leaves it in doubt.
 */
import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import type { GroupId } from '../../base/ids.ts'
import type { Entry, HardState, LogIndex, LogPosition } from '../../base/log-entry.ts'
import { INDEX_ZERO, TERM_ZERO } from '../../base/log-entry.ts'
import { GroupIndex } from './group-index.ts'
import type { GroupRecord } from './record-reader.ts'
import type { LogDamage, RecoveredGroup } from './shared-log.ts'

export type Place = { readonly path: string; readonly segment: number; readonly offset: number }
export type Cause = { readonly path: string; readonly offset: number; readonly detail: string }

type Record<Kind extends GroupRecord['kind']> = Extract<GroupRecord, { kind: Kind }>

/** Consecutive entries behind `index.base`, which is here only where the island begins. */
type Island = {
  readonly index: GroupIndex
  entries: Entry[]
  /** Records that change it may have been lost since it was written. */
  isSuspect: boolean
}

type Base = { readonly position: LogPosition; readonly membership: Buffer; readonly segment: number }

const FRESH: HardState = { term: TERM_ZERO, vote: null, commit: INDEX_ZERO }
const ORIGIN: LogPosition = { term: TERM_ZERO, index: INDEX_ZERO }
/** A group whose records join nowhere this often is beyond recognition; the newest islands count. */
const ISLANDS_MAX = 64

export class GroupReplay {
  readonly #group: GroupId
  #islands: Island[] = []
  #base: Base | null = null
  #hardState: { readonly value: HardState; readonly segment: number } | null = null
  #hadLoss = false
  /** The base record may have been in what is lost; unlike entries and votes, no peer's help brings it back. */
  #mayLackBase = false
  #lacksHardState = false
  /** Reported as damaged at an earlier start and not repaired since. */
  #wasDamaged = false
  /** So reported then; a hard state that was written since knows no more of it. */
  #wasVoteLost = false
  #cause: Cause | null = null
  #highestSeen = 0

  constructor(group: GroupId) {
    this.#group = group
  }

  /** Records of this group may be lost at this point of the log. */
  markLoss(cause: Cause): void {
    for (const island of this.#islands) island.isSuspect = true
    this.#hadLoss = true
    this.#mayLackBase = true
    this.#lacksHardState = true
    this.#cause = this.#wasDamaged ? this.#cause : cause
  }

  apply(record: Exclude<GroupRecord, { kind: 'dropGroup' }>, place: Place): void {
    switch (record.kind) {
      case 'entries':
        return this.#applyEntries(record, place)
      case 'hardState':
        this.#hardState = { value: record.hardState, segment: place.segment }
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

  /** The group as the host gets it, and the log's own index of it. */
  finish(): { readonly recovered: RecoveredGroup; readonly index: GroupIndex } {
    const damage = this.#isWhole() ? null : this.#damage()
    const { index, entries } = this.#mainland() ?? this.#newIsland(this.#base?.position ?? ORIGIN)
    assert(entries.length === index.last - index.base.index)
    const hardState = this.#hardState?.value ?? FRESH
    if (this.#hardState !== null) index.setHardState(hardState, this.#hardState.segment)
    if (this.#base !== null) {
      index.setBase(this.#base.position, this.#base.membership, this.#base.segment, true)
    }
    // What was committed may be what is lost.
    const isBeyond = damage !== null && hardState.commit > index.last
    const recovered = {
      group: this.#group,
      hardState: isBeyond ? { ...hardState, commit: index.last } : hardState,
      base: index.base,
      membership: index.membership,
      entries,
      damage,
    }
    return { recovered, index }
  }

  #isWhole(): boolean {
    if (this.#wasDamaged || this.#lacksHardState) return false
    if (this.#base === null && (this.#hadLoss || this.#mayLackBase)) return false
    const main = this.#mainland()
    if (main === null) return this.#islands.length === 0 && this.#base === null
    return this.#islands.length === 1 && !main.isSuspect
  }

  /** The island that begins at the base. */
  #mainland(): Island | null {
    const { index, term } = this.#base?.position ?? ORIGIN
    const found = this.#islands.find((island) => island.index.base.index === index)
    return found?.index.base.term === term ? found : null
  }

  #damage(): LogDamage {
    const last = this.#islands.at(-1)?.index.base.index ?? 0
    const cause = this.#cause ?? { path: '', offset: 0, detail: `no records before entry ${last + 1}` }
    const highest = Math.max(this.#highestSeen, this.#islands.at(-1)?.index.last ?? 0)
    const isVoteLost = this.#wasVoteLost || this.#lacksHardState
    return { ...cause, lastSyncedIndex: highest as LogIndex, isVoteLost }
  }

  #applyEntries(record: Record<'entries'>, place: Place): void {
    const { previous, entries } = record
    this.#highestSeen = Math.max(this.#highestSeen, previous.index + entries.length)
    const at = this.#islands.findLastIndex(({ index }) => index.termAt(previous.index) === previous.term)
    let island = this.#islands[at]
    if (island === undefined) {
      this.#forgetFrom(previous.index + 1)
      island = this.#newIsland(previous)
      this.#islands.push(island)
      if (this.#islands.length > ISLANDS_MAX) this.#islands.splice(1, 1)
    } else {
      // What came after is replaced.
      this.#islands.length = at + 1
    }
    let bytes = 0
    for (const entry of entries) bytes += entry.payload.length
    island.entries.length = previous.index - island.index.base.index
    island.index.beginEntries(previous.index + 1, place.segment, bytes)
    for (const entry of entries) {
      island.index.extend(entry.term)
      island.entries.push(entry)
    }
    island.isSuspect = false
  }

  /** Entries from `first` on are replaced by others. */
  #forgetFrom(first: number): void {
    this.#islands = this.#islands.filter(({ index }) => index.base.index < first)
    for (const { index, entries } of this.#islands) {
      if (index.last < first) continue
      index.truncate(first)
      entries.length = index.last - index.base.index
    }
  }

  #applyBase(record: Record<'base'>, place: Place): void {
    const { position, membership, discardsTail } = record
    this.#highestSeen = Math.max(this.#highestSeen, position.index)
    this.#base = { position, membership: Buffer.from(membership), segment: place.segment }
    if (discardsTail) {
      this.#islands = [this.#newIsland(position)]
      this.#hadLoss = this.#wasDamaged
      return
    }
    const at = this.#islands.findLastIndex(({ index }) => index.termAt(position.index) === position.term)
    const island = this.#islands[at]
    if (island === undefined) {
      const main = this.#newIsland(position)
      main.isSuspect = this.#hadLoss
      const later = this.#islands.filter(({ index }) => index.base.index > position.index)
      this.#islands = [main, ...later]
      return
    }
    island.entries.splice(0, position.index - island.index.base.index)
    island.index.setBase(position, membership, place.segment, true)
    this.#islands.splice(0, at)
  }

  #applyDamage(record: Record<'damage'>): void {
    const { path, offset, detail, lastSyncedIndex } = record.damage
    this.#wasDamaged = true
    this.#wasVoteLost = record.damage.isVoteLost
    this.#hadLoss = true
    this.#cause = { path, offset, detail }
    this.#highestSeen = Math.max(this.#highestSeen, lastSyncedIndex ?? 0)
    // The host was given the entries up to here; a sector that can be read again changes nothing.
    this.#forgetFrom(record.lastKept + 1)
  }

  /** Vouches for what is at hand, if that ends where the group ended then. */
  #applyRepaired(record: Record<'repaired'>): void {
    const { position } = record
    const last = this.#islands.at(-1)
    // Nothing at hand: all before went with removed segments, and the base is written again later.
    if (last === undefined) this.#islands.push(this.#newIsland(position))
    else if (last.index.last !== position.index || last.index.lastTerm !== position.term) return
    for (const island of this.#islands) island.isSuspect = false
    this.#wasDamaged = false
    this.#wasVoteLost = false
    this.#hadLoss = false
    this.#lacksHardState = false
  }

  #newIsland(origin: LogPosition): Island {
    const index = new GroupIndex(this.#group)
    index.implyBase(origin)
    return { index, entries: [], isSuspect: false }
  }
}
