/**
 * One file's bytes on the simulated disk, and per 512-byte sector what a crash may make of them.
 *
 * `#bytes` is what a reader sees. A sector that was written since its last sync has a list of
 * versions, the synced one first; `crash` picks one of them. `null` stands for a sector of zeros.
 */
import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import type { SimRandom } from '../world/random.ts'

export const SECTOR_BYTES = 512
const ZERO_SECTOR = Buffer.alloc(SECTOR_BYTES)
/** A read of this much is no copy; the file makes one before it changes, which most files never do again. */
const SHARED_READ_BYTES_MIN = 4096

type Version = {
  readonly sequence: number
  readonly bytes: Buffer | null
  /** A datasync that covered it failed: no later sync makes it durable. */
  isLost: boolean
}

export class SimInode {
  #bytes = Buffer.alloc(0)
  #size = 0
  /** Somebody read a part of `#bytes` and may still look at it. */
  #isShared = false
  #sequence = 0
  #syncedSize = 0
  /** Sizes since the last sync. */
  #sizes: { readonly sequence: number; readonly size: number }[] = []
  readonly #dirty = new Map<number, Version[]>()
  readonly brokenSectors = new Set<number>()

  get size(): number {
    return this.#size
  }

  bytes(): Buffer {
    return this.#bytes.subarray(0, this.#size)
  }

  /** What the bytes are now, whatever happens to the file later. */
  read(offset: number, length: number): Buffer {
    const view = this.#bytes.subarray(Math.min(offset, this.#size), Math.min(offset + length, this.#size))
    if (view.length < SHARED_READ_BYTES_MIN) return Buffer.from(view)
    this.#isShared = true
    return view
  }

  write(bytes: Uint8Array, offset: number): void {
    if (bytes.length === 0) return
    const end = offset + bytes.length
    if (end > this.#size) this.#resize(end)
    const first = Math.floor(offset / SECTOR_BYTES)
    const last = Math.floor((end - 1) / SECTOR_BYTES)
    for (let sector = first; sector <= last; sector++) this.#remember(sector)
    this.#unshare()
    this.#bytes.set(bytes, offset)
    this.#sequence++
    for (let sector = first; sector <= last; sector++) this.#version(sector)
  }

  /** A write that failed: any of its sectors may have been written. */
  writePart(bytes: Uint8Array, offset: number, random: SimRandom): void {
    let at = 0
    while (at < bytes.length) {
      const piece = Math.min(SECTOR_BYTES - ((offset + at) % SECTOR_BYTES), bytes.length - at)
      if (random.chance(0.5)) this.write(bytes.subarray(at, at + piece), offset + at)
      at += piece
    }
  }

  truncate(size: number): void {
    const shrinks = size < this.#size
    if (shrinks) this.write(Buffer.alloc(this.#size - size), size)
    this.#resize(size)
    this.#sequence++
  }

  /** What a datasync that begins now covers. */
  syncPoint(): number {
    return this.#sequence
  }

  sync(point: number): void {
    for (const [sector, versions] of this.#dirty) {
      let covered = 0
      for (let at = 1; at < versions.length; at++) {
        const version = versions[at] as Version
        if (version.sequence <= point && !version.isLost) covered = at
      }
      versions.splice(0, covered)
      if (versions.length === 1) this.#dirty.delete(sector)
    }
    while (this.#sizes.length > 0 && (this.#sizes[0]?.sequence as number) <= point) {
      this.#syncedSize = (this.#sizes.shift() as { size: number }).size
    }
  }

  loseUnsynced(point: number): void {
    for (const versions of this.#dirty.values()) {
      for (const version of versions.slice(1)) {
        if (version.sequence <= point) version.isLost = true
      }
    }
  }

  crash(random: SimRandom): void {
    this.#unshare()
    const choice = random.below(this.#sizes.length + 1)
    const size = choice === 0 ? this.#syncedSize : (this.#sizes[choice - 1]?.size as number)
    // Some crashes keep nearly all, some nearly nothing: each ordering has its turn.
    const keep = random.pick([0, 0.1, 0.5, 0.9, 1])
    for (const [sector, versions] of this.#dirty) {
      const version = random.chance(keep) ? (versions.at(-1) as Version) : random.pick(versions)
      const survivor = keep === 0 ? (versions[0] as Version) : version
      const at = sector * SECTOR_BYTES
      const room = Math.min(SECTOR_BYTES, this.#bytes.length - at)
      this.#bytes.set((survivor.bytes ?? ZERO_SECTOR).subarray(0, room), at)
    }
    this.#dirty.clear()
    this.#resize(size)
    this.#bytes.fill(0, size)
    this.#sizes = []
    this.#syncedSize = size
  }

  flipBit(offset: number, bit: number): void {
    assert(offset < this.#size && bit >= 0 && bit < 8)
    this.#unshare()
    this.#bytes[offset] = (this.#bytes[offset] as number) ^ (1 << bit)
  }

  zeroSector(sector: number): void {
    const at = sector * SECTOR_BYTES
    assert(at < this.#size)
    this.#unshare()
    this.#bytes.fill(0, at, Math.min(at + SECTOR_BYTES, this.#size))
  }

  clone(): SimInode {
    const copy = new SimInode()
    copy.#bytes = Buffer.from(this.#bytes)
    copy.#size = this.#size
    copy.#sequence = this.#sequence
    copy.#syncedSize = this.#syncedSize
    copy.#sizes = [...this.#sizes]
    for (const [sector, versions] of this.#dirty) {
      copy.#dirty.set(
        sector,
        versions.map((version) => ({ ...version })),
      )
    }
    for (const sector of this.brokenSectors) copy.brokenSectors.add(sector)
    return copy
  }

  #resize(size: number): void {
    if (size > this.#bytes.length) {
      const grown = Buffer.alloc(Math.max(size, this.#bytes.length * 2, 4096))
      grown.set(this.#bytes)
      this.#bytes = grown
      this.#isShared = false
    }
    this.#size = size
    this.#sizes.push({ sequence: this.#sequence + 1, size })
  }

  #unshare(): void {
    if (!this.#isShared) return
    this.#bytes = Buffer.from(this.#bytes)
    this.#isShared = false
  }

  #remember(sector: number): void {
    this.brokenSectors.delete(sector)
    if (!this.#dirty.has(sector)) {
      this.#dirty.set(sector, [{ sequence: 0, bytes: this.#copy(sector), isLost: false }])
    }
  }

  #version(sector: number): void {
    this.#dirty.get(sector)?.push({ sequence: this.#sequence, bytes: this.#copy(sector), isLost: false })
  }

  #copy(sector: number): Buffer | null {
    const at = sector * SECTOR_BYTES
    const view = this.#bytes.subarray(at, at + SECTOR_BYTES)
    if (view.equals(ZERO_SECTOR.subarray(0, view.length))) return null
    if (view.length === SECTOR_BYTES) return Buffer.from(view)
    const copy = Buffer.alloc(SECTOR_BYTES)
    copy.set(view)
    return copy
  }
}
