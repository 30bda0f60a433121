/**
 * Exactly once, checked while it happens: one client appends serial numbers to a value over one
 * connection at a time, and every value that is ever read must be explained by what it was told.
 *
 * What was acknowledged is there once; what was refused is not; what nobody knows is there at most
 * once, and never before anything that was acknowledged before it was asked. Requests of one connection
 * take effect in their order, also when nobody waits for an answer in between, as long as the network
 * between the nodes keeps the order of what is sent over one connection (`keepsOrder`). A value only grows. Each
 * acknowledgement names the length of the value, so the place of its number is known to the byte.
 *
 * Cheap: each read is one walk over the value. So it may follow a run of any length, which a search for
 * a linearization can't.
 */
import assert from 'node:assert/strict'

export type Fate =
  | { readonly kind: 'acknowledged'; readonly length: number }
  | { readonly kind: 'refused' | 'unknown' }

export class SerialOracle {
  readonly name: string
  readonly #keepsOrder: boolean
  readonly #fates = new Map<number, Fate>()
  /** By serial: the last that had been told when it was asked. */
  readonly #toldBefore: number[] = [0]
  #lastSerial = 0
  #lastTold = 0
  /** Of those that were acknowledged, ascending. */
  readonly #acknowledged: number[] = []
  /** The longest value that was read. */
  #seen = ''
  reads = 0

  constructor(name: string, keepsOrder: boolean) {
    this.name = name
    this.#keepsOrder = keepsOrder
  }

  get acknowledged(): number {
    return this.#acknowledged.length
  }

  get length(): number {
    return this.#lastSerial
  }

  /** What to append next. */
  next(): { readonly serial: number; readonly text: string } {
    this.#lastSerial += 1
    this.#toldBefore.push(this.#lastTold)
    return { serial: this.#lastSerial, text: `${this.#lastSerial},` }
  }

  told(serial: number, fate: Fate): void {
    assert(
      serial === this.#lastTold + 1 && serial <= this.#lastSerial,
      `${serial} is not the next to be told`,
    )
    this.#lastTold = serial
    this.#fates.set(serial, fate)
    if (fate.kind !== 'acknowledged') return
    this.#acknowledged.push(serial)
    this.#mustHold(
      fate.length >= this.#seen.length + String(serial).length + 1,
      `the value had ${this.#seen.length} bytes, and ${fate.length} after ${serial} was appended`,
    )
  }

  /** The value, as an answer to a read that began after everything that was asked was told. */
  read(value: string): void {
    assert(this.#lastTold === this.#lastSerial, `${this.#lastSerial} is on its way`)
    this.reads += 1
    this.#mustHold(value.startsWith(this.#seen), `what was read before is gone: ${shorten(value)}`)
    const found = new Set<number>()
    let next = 0
    let at = 0
    for (const text of value.split(',').slice(0, -1)) {
      const serial = Number(text)
      at += text.length + 1
      const fate = this.#fates.get(serial)
      this.#mustHold(fate !== undefined, `${text} was never asked for`)
      this.#mustHold(!found.has(serial), `${serial} took effect twice`)
      this.#mustHold(fate?.kind !== 'refused', `${serial} was refused and took effect`)
      found.add(serial)
      const missing = this.#acknowledged[next] ?? Number.POSITIVE_INFINITY
      const last = this.#keepsOrder ? serial - 1 : (this.#toldBefore[serial] as number)
      this.#mustHold(missing > last, `${serial} is there before ${missing}`)
      if (fate?.kind !== 'acknowledged') continue
      this.#mustHold(fate.length === at, `${serial} ends at ${at}, and its answer said ${fate.length}`)
      while (found.has(this.#acknowledged[next] ?? 0)) next += 1
    }
    this.#mustHold(at === value.length, `the value ends in the middle: ${shorten(value)}`)
    const lost = this.#acknowledged[next]
    this.#mustHold(lost === undefined, `${lost} was acknowledged and is gone`)
    this.#seen = value
  }

  #mustHold(holds: boolean, what: string): void {
    if (!holds) throw new Error(`${this.name}: ${what}`)
  }
}

function shorten(text: string): string {
  return text.length > 100 ? `${text.slice(0, 40)}…${text.slice(-40)}` : text
}
