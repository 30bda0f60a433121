/**
 * Exactly once, checked while it happens: one client appends serial numbers to a value, one request
 * at a time, and every value that is ever read must be explained by what it was told.
 *
 * What was acknowledged is there once; what was refused is not; what nobody knows is there at most
 * once, and never before anything that was acknowledged before it was asked. A value only grows. Each
 * acknowledgement names the length of the value, so the place of its number is known to the byte.
 *
 * Cheap: each read is one walk over the value. So it may follow a run of any length, which a search for
 * a linearization can't.
 */
import assert from 'node:assert/strict'

type Fate =
  | { readonly kind: 'acknowledged'; readonly length: number }
  | { readonly kind: 'refused' | 'unknown' }

export class SerialOracle {
  readonly name: string
  readonly #fates = new Map<number, Fate>()
  #lastSerial = 0
  /** Of those that were acknowledged, ascending. */
  readonly #acknowledged: number[] = []
  /** The longest value that was read. */
  #seen = ''
  reads = 0

  constructor(name: string) {
    this.name = name
  }

  get acknowledged(): number {
    return this.#acknowledged.length
  }

  get length(): number {
    return this.#lastSerial
  }

  /** What to append next. */
  next(): { readonly serial: number; readonly text: string } {
    assert(this.#lastSerial === 0 || this.#fates.has(this.#lastSerial), 'one request at a time')
    this.#lastSerial += 1
    return { serial: this.#lastSerial, text: `${this.#lastSerial},` }
  }

  told(serial: number, fate: Fate): void {
    this.#mustHold(serial === this.#lastSerial && !this.#fates.has(serial), `${serial} was answered before`)
    this.#fates.set(serial, fate)
    if (fate.kind !== 'acknowledged') return
    this.#acknowledged.push(serial)
    this.#mustHold(
      fate.length >= this.#seen.length + String(serial).length + 1,
      `the value had ${this.#seen.length} bytes, and ${fate.length} after ${serial} was appended`,
    )
  }

  /** The value, as an answer to a read that began after everything that was told by now. */
  read(value: string): void {
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
      const missing = this.#acknowledged[next]
      this.#mustHold(missing === undefined || missing >= serial, `${serial} is there before ${missing}`)
      if (fate?.kind !== 'acknowledged') continue
      this.#mustHold(fate.length === at, `${serial} ends at ${at}, and its answer said ${fate.length}`)
      next += 1
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
