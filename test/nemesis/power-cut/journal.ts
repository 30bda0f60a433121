/** Reads what the shim wrote down (shim.c has the layout). */
import assert from 'node:assert/strict'
import type { Buffer } from 'node:buffer'

export type Change =
  | {
      readonly kind: 'write'
      readonly inode: bigint
      readonly offset: number
      readonly length: number
      readonly oldSize: number
      readonly oldBytes: Buffer
    }
  | {
      readonly kind: 'resize'
      readonly inode: bigint
      readonly size: number
      readonly oldSize: number
      readonly oldBytes: Buffer
    }
export type NameChange =
  | { readonly kind: 'create' | 'makeDirectory'; readonly directory: bigint; readonly path: string }
  | {
      readonly kind: 'rename'
      readonly directory: bigint
      readonly from: string
      readonly to: string
      readonly kept: string
    }
  | { readonly kind: 'remove'; readonly directory: bigint; readonly path: string; readonly kept: string }

/** What no sync covers, in the order in which it happened. */
export type Unsynced = {
  readonly changes: readonly Change[]
  readonly names: readonly NameChange[]
  /** Of all that was written down. */
  readonly records: number
  readonly syncs: number
}

const MAGIC = 0x53465048
const HEADER_BYTES = 48
const TYPE = { write: 1, resize: 2, sync: 3, create: 4, rename: 5, remove: 6, makeDirectory: 7 } as const

type Placed<Item> = { readonly at: number; readonly item: Item }

export function readUnsynced(journal: Buffer): Unsynced {
  const changes: Placed<Change>[] = []
  const names: Placed<NameChange>[] = []
  /** By inode of a file or directory: everything before this place is durable. */
  const syncedTo = new Map<bigint, number>()
  let records = 0
  let syncs = 0
  for (let at = 0; at + HEADER_BYTES <= journal.length; ) {
    const type = journal.readUInt32LE(at + 4)
    assert.equal(journal.readUInt32LE(at), MAGIC, `the journal is broken at ${at}`)
    const inode = journal.readBigUInt64LE(at + 8)
    const offset = Number(journal.readBigUInt64LE(at + 16))
    const length = Number(journal.readBigUInt64LE(at + 24))
    const oldSize = Number(journal.readBigUInt64LE(at + 32))
    const textEnd = at + HEADER_BYTES + journal.readUInt32LE(at + 40)
    const end = textEnd + journal.readUInt32LE(at + 44)
    if (end > journal.length) break
    const [first = '', second = '', third = ''] = journal
      .toString('utf8', at + HEADER_BYTES, textEnd)
      .split('\0')
    const oldBytes = journal.subarray(textEnd, end)
    const directory = journal.readBigUInt64LE(at + 16)
    records += 1
    switch (type) {
      case TYPE.write:
        changes.push({ at, item: { kind: 'write', inode, offset, length, oldSize, oldBytes } })
        break
      case TYPE.resize:
        changes.push({ at, item: { kind: 'resize', inode, size: length, oldSize, oldBytes } })
        break
      case TYPE.sync:
        syncs += 1
        syncedTo.set(inode, Math.max(syncedTo.get(inode) ?? 0, offset))
        break
      case TYPE.create:
        names.push({ at, item: { kind: 'create', directory, path: first } })
        break
      case TYPE.makeDirectory:
        names.push({ at, item: { kind: 'makeDirectory', directory, path: first } })
        break
      case TYPE.rename:
        names.push({ at, item: { kind: 'rename', directory, from: first, to: second, kept: third } })
        break
      case TYPE.remove:
        names.push({ at, item: { kind: 'remove', directory, path: first, kept: second } })
        break
      default:
        throw new Error(`the journal has a record of unknown type ${type} at ${at}`)
    }
    at = end
  }
  return {
    changes: changes.filter(({ at, item }) => at >= (syncedTo.get(item.inode) ?? 0)).map(({ item }) => item),
    names: names.filter(({ at, item }) => at >= (syncedTo.get(item.directory) ?? 0)).map(({ item }) => item),
    records,
    syncs,
  }
}
