/**
 * The session under which this node forwards writes, so that sending one twice executes it once
 * (docs/formats/keyspace.md, "Sessions"). A new one is drawn after `RENEW_MS`; a write keeps the
 * session it was first sent under, however often it is sent.
 */
import assert from 'node:assert/strict'
import type { ByteString } from '../../base/bytes.ts'
import type { Clock } from '../../env/clock.ts'
import type { Random } from '../../env/random.ts'
import type { SessionTag } from '../../kv/command.ts'

const SESSION_ID_BYTES = 16
const RENEW_MS = 6 * 3_600_000
/** Well below what a session remembers (kv/session.ts): writes beyond it wait their turn. */
export const OPEN_SEQUENCES_MAX = 2_048

export class GatewaySession {
  readonly #clock: Clock
  readonly #random: Random
  #id: ByteString
  #startedMs: number
  #renewAtMs: number
  #lastSequence = 0
  #lowest = 1
  readonly #released = new Set<number>()

  constructor(clock: Clock, random: Random) {
    this.#clock = clock
    this.#random = random
    this.#id = drawId(random)
    this.#startedMs = clock.wallMs()
    this.#renewAtMs = clock.monotonicMs() + RENEW_MS
  }

  get hasRoom(): boolean {
    return this.#lastSequence + 1 - this.#lowest < OPEN_SEQUENCES_MAX
  }

  open(): SessionTag {
    assert(this.hasRoom)
    if (this.#isOld()) this.renew()
    this.#lastSequence += 1
    return {
      id: this.#id,
      startedMs: this.#startedMs,
      sequence: this.#lastSequence,
      lowestUnacknowledged: this.#lowest,
    }
  }

  /** By either clock: the monotonic one may stand still while a machine sleeps, the other may jump. */
  #isOld(): boolean {
    const isAdjusted = Math.abs(this.#clock.wallMs() - this.#startedMs) >= RENEW_MS
    return isAdjusted || this.#clock.monotonicMs() >= this.#renewAtMs
  }

  /** The tag to send again, with what was acknowledged meanwhile. */
  refresh(tag: SessionTag): SessionTag {
    return tag.id === this.#id ? { ...tag, lowestUnacknowledged: Math.min(this.#lowest, tag.sequence) } : tag
  }

  /** The write was answered: its reply need not be remembered any longer. */
  release(tag: SessionTag): void {
    if (tag.id !== this.#id) return
    this.#released.add(tag.sequence)
    while (this.#released.delete(this.#lowest)) this.#lowest += 1
  }

  /** Writes under the old id keep it; the group forgets it when it has been idle for long enough. */
  renew(): void {
    this.#id = drawId(this.#random)
    this.#startedMs = this.#clock.wallMs()
    this.#renewAtMs = this.#clock.monotonicMs() + RENEW_MS
    this.#lastSequence = 0
    this.#lowest = 1
    this.#released.clear()
  }
}

function drawId(random: Random): ByteString {
  let id = ''
  while (id.length < SESSION_ID_BYTES) {
    const word = random.u32()
    id += String.fromCharCode(word & 0xff, (word >>> 8) & 0xff, (word >>> 16) & 0xff, word >>> 24)
  }
  return id
}
