/**
 * Writes that the disk says it did and did not, or did elsewhere.
 *
 * A lost write is found by what came after it: the log's next frame does not follow. A machine that
 * loses the very last write and then dies can't find anything, and neither can anybody else: its disk is
 * as it was before the write. That is beyond what the store promises (docs/formats/recovery.md, "can't
 * be told from torn"). So the loss becomes real only when a later write of the file is durable; if the
 * machine dies before, the write happens after all.
 */
import type { Buffer } from 'node:buffer'
import type { SimInode } from './disk-inode.ts'

type Lost = {
  readonly inode: SimInode
  readonly bytes: Buffer
  readonly offset: number
  /** The sequence of the write behind it; null: there is none yet. */
  followedAt: number | null
}

export class SilentLosses {
  #lost: Lost[] = []
  /** Losses that became real. */
  count = 0

  add(inode: SimInode, bytes: Buffer, offset: number): void {
    this.#lost.push({ inode, bytes, offset, followedAt: null })
  }

  /** Another write of this file has taken place. */
  written(inode: SimInode): void {
    for (const lost of this.#lost) if (lost.inode === inode) lost.followedAt ??= inode.syncPoint()
  }

  /** A datasync that began at `point` is done. */
  synced(inode: SimInode, point: number): void {
    const stillOpen = this.#lost.filter(
      (lost) => lost.inode !== inode || lost.followedAt === null || lost.followedAt > point,
    )
    this.count += this.#lost.length - stillOpen.length
    this.#lost = stillOpen
  }

  /** The machine dies. */
  settle(): void {
    for (const { inode, bytes, offset } of this.#lost) {
      inode.write(bytes, offset)
      inode.sync(inode.syncPoint())
    }
    this.#lost = []
  }
}
