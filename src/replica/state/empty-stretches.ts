/**
 * Where ranges begin that are emptied from their beginning, again and again: the index of expiries, the
 * members of a deleted hash. The engine keeps a mark for each deleted record until it compacts, and a
 * read that begins in front of a hundred thousand of them passes them one by one, each time; so do
 * deletions that the engine is still to get.
 *
 * Remembered is only what was seen to be empty, and it is forgotten as soon as anything is written
 * there: what is skipped can't hold a record. A few stretches, the latest ones.
 */
import type { ByteString } from '../../base/bytes.ts'

const STRETCHES_MAX = 4

/** The state has no record in [from, to); what the engine has there is deleted. */
type Stretch = { readonly from: ByteString; readonly to: ByteString }

export class EmptyStretches {
  #stretches: Stretch[] = []

  /** The state has no record in [from, to). */
  learn(from: ByteString, to: ByteString): void {
    if (to <= from) return
    const others = this.#stretches.filter((stretch) => stretch.from !== from)
    this.#stretches = [{ from, to }, ...others].slice(0, STRETCHES_MAX)
  }

  /** Where reading what begins at `from` may begin instead, at most at `end`. */
  beginOf(from: ByteString, end: ByteString): ByteString {
    const found = this.#stretches.find((stretch) => stretch.from === from)
    if (found === undefined) return from
    return found.to < end ? found.to : end
  }

  /** A record is about to be there. */
  put(key: ByteString): void {
    for (const { from, to } of this.#stretches) {
      if (key >= from && key < to) {
        this.#stretches = this.#stretches.filter((stretch) => key < stretch.from || key >= stretch.to)
        return
      }
    }
  }

  clear(): void {
    this.#stretches = []
  }
}
