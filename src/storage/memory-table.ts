/**
 * A sorted map of byte strings that can be forked in no time: what the memory engine keeps its
 * records in, and what makes its snapshots cheap.
 *
 * Two levels: an ordered list of leaves of at most `LEAF_RECORDS_MAX` records. A fork shares every
 * leaf; whoever changes one first copies it (a leaf belongs to the table whose token it carries).
 * Insertion costs a binary search and a shift within a leaf; the list of leaves is short enough to
 * be shifted too: a million records are some 4,000 leaves.
 */
import assert from 'node:assert/strict'
import type { ByteString } from '../base/bytes.ts'
import type { KeyValue } from '../base/machine.ts'

const LEAF_RECORDS_MAX = 512

/** Never empty, except for the only leaf of an empty table. */
type Leaf = { readonly owner: object; readonly keys: ByteString[]; readonly values: ByteString[] }

export class MemoryTable {
  #token: object = {}
  #leaves: Leaf[]
  #size = 0

  constructor(leaves: readonly Leaf[] = [], size = 0) {
    this.#leaves = leaves.length > 0 ? [...leaves] : [{ owner: this.#token, keys: [], values: [] }]
    this.#size = size
  }

  get size(): number {
    return this.#size
  }

  /** An equal table; from now on neither sees the other's changes. */
  fork(): MemoryTable {
    this.#token = {}
    return new MemoryTable(this.#leaves, this.#size)
  }

  get(key: ByteString): ByteString | undefined {
    const leaf = this.#leafAt(this.#leafOf(key))
    const at = lowerBound(leaf.keys, key)
    return leaf.keys[at] === key ? leaf.values[at] : undefined
  }

  put(key: ByteString, value: ByteString): void {
    const index = this.#leafOf(key)
    const leaf = this.#ownLeaf(index)
    const at = lowerBound(leaf.keys, key)
    if (leaf.keys[at] === key) {
      leaf.values[at] = value
      return
    }
    leaf.keys.splice(at, 0, key)
    leaf.values.splice(at, 0, value)
    this.#size++
    if (leaf.keys.length > LEAF_RECORDS_MAX) this.#split(index, at === leaf.keys.length - 1)
  }

  delete(key: ByteString): void {
    const index = this.#leafOf(key)
    const at = lowerBound(this.#leafAt(index).keys, key)
    if (this.#leafAt(index).keys[at] === key) this.#cut(index, at, at + 1)
  }

  /** Removes every key in [from, to). */
  deleteRange(from: ByteString, to: ByteString): void {
    if (from >= to) return
    const first = this.#leafOf(from)
    // Backwards, so that a leaf that vanishes moves none of those still to be looked at.
    for (let index = this.#leafOf(to); index >= first; index--) {
      const { keys } = this.#leafAt(index)
      const begin = lowerBound(keys, from)
      const end = lowerBound(keys, to)
      if (begin < end) this.#cut(index, begin, end)
    }
  }

  /** Ascending records in [from, to), at most `limit` of them. */
  range(from: ByteString, to: ByteString, limit: number): KeyValue[] {
    assert(limit >= 0)
    const found: KeyValue[] = []
    if (from >= to) return found
    let index = this.#leafOf(from)
    let at = lowerBound(this.#leafAt(index).keys, from)
    for (; index < this.#leaves.length; index++, at = 0) {
      const { keys, values } = this.#leafAt(index)
      for (; at < keys.length; at++) {
        const key = keys[at] as ByteString
        if (found.length >= limit || key >= to) return found
        found.push({ key, value: values[at] as ByteString })
      }
    }
    return found
  }

  #leafAt(index: number): Leaf {
    const leaf = this.#leaves[index]
    assert(leaf !== undefined)
    return leaf
  }

  /** The last leaf whose first key is not greater than `key`; the first one when there is none. */
  #leafOf(key: ByteString): number {
    let low = 0
    let high = this.#leaves.length - 1
    while (low < high) {
      const middle = (low + high + 1) >>> 1
      if ((this.#leafAt(middle).keys[0] as ByteString) <= key) low = middle
      else high = middle - 1
    }
    return low
  }

  #ownLeaf(index: number): Leaf {
    const leaf = this.#leafAt(index)
    if (leaf.owner === this.#token) return leaf
    const copy: Leaf = { owner: this.#token, keys: leaf.keys.slice(), values: leaf.values.slice() }
    this.#leaves[index] = copy
    return copy
  }

  #cut(index: number, begin: number, end: number): void {
    assert(begin < end)
    const { keys } = this.#leafAt(index)
    assert(end <= keys.length)
    this.#size -= end - begin
    if (end - begin === keys.length && this.#leaves.length > 1) {
      this.#leaves.splice(index, 1)
      return
    }
    const leaf = this.#ownLeaf(index)
    leaf.keys.splice(begin, end - begin)
    leaf.values.splice(begin, end - begin)
  }

  /** Ascending insertion leaves full leaves behind instead of half-empty ones. */
  #split(index: number, isAppend: boolean): void {
    const leaf = this.#ownLeaf(index)
    const at = isAppend ? leaf.keys.length - 1 : leaf.keys.length >>> 1
    const right: Leaf = { owner: this.#token, keys: leaf.keys.splice(at), values: leaf.values.splice(at) }
    assert(leaf.keys.length > 0 && right.keys.length > 0)
    assert(leaf.keys.length === leaf.values.length && right.keys.length === right.values.length)
    this.#leaves.splice(index + 1, 0, right)
  }
}

/** The first position whose key is not less than `key`. */
function lowerBound(keys: readonly ByteString[], key: ByteString): number {
  let low = 0
  let high = keys.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((keys[middle] as ByteString) < key) low = middle + 1
    else high = middle
  }
  return low
}
