/**
 * Counts the replies in a stream of RESP 2 without making any of them: a load loop shares the
 * machine with what it measures, and must cost little.
 *
 * Any cut of the stream into chunks gives the same counts. Bytes that are no RESP end the run: they
 * can't be counted.
 */
import assert from 'node:assert/strict'

const LINE_FEED = 0x0a
const MINUS = 0x2d
const ZERO = 0x30
const SIMPLE = 0x2b
const ERROR = 0x2d
const INTEGER = 0x3a
const BULK = 0x24
const ARRAY = 0x2a
const CRLF_BYTES = 2
const ERROR_CHARS_MAX = 200

export class ReplyCounter {
  #errors = 0
  #nulls = 0
  #firstError: string | null = null
  #lastInteger = 0
  /** Elements that the reply under way still lacks; 0 between replies. */
  #missing = 0
  /** Bytes of a bulk string that are still to come, its line end included. */
  #skip = 0
  /** First byte of the line under way; 0 between lines. */
  #kind = 0
  #number = 0
  #isNegative = false
  #errorText = ''

  get errors(): number {
    return this.#errors
  }

  get nulls(): number {
    return this.#nulls
  }

  get firstError(): string | null {
    return this.#firstError
  }

  get lastInteger(): number {
    return this.#lastInteger
  }

  /** How many replies end in the first `length` bytes of `chunk`. */
  receive(chunk: Uint8Array, length: number): number {
    let completed = 0
    let at = 0
    while (at < length) {
      if (this.#skip > 0) {
        const step = Math.min(this.#skip, length - at)
        this.#skip -= step
        at += step
        if (this.#skip === 0) completed += this.#elementDone()
      } else {
        const byte = chunk[at] as number
        at += 1
        if (this.#kind === 0) this.#beginLine(byte)
        else if (byte === LINE_FEED) completed += this.#endLine()
        else this.#continueLine(byte)
      }
    }
    return completed
  }

  #beginLine(byte: number): void {
    if (byte !== SIMPLE && byte !== ERROR && byte !== INTEGER && byte !== BULK && byte !== ARRAY)
      throw new Error(`the server sent what is not RESP: a reply begins with byte ${byte}`)
    if (this.#missing === 0) this.#missing = 1
    this.#kind = byte
    this.#number = 0
    this.#isNegative = false
    this.#errorText = ''
  }

  #continueLine(byte: number): void {
    if (this.#kind === ERROR) {
      if (this.#errorText.length < ERROR_CHARS_MAX && byte >= 0x20)
        this.#errorText += String.fromCharCode(byte)
    } else if (byte === MINUS) this.#isNegative = true
    else if (byte >= ZERO && byte <= ZERO + 9) this.#number = this.#number * 10 + (byte - ZERO)
  }

  /** 1 when the line ends a whole reply. */
  #endLine(): number {
    const kind = this.#kind
    this.#kind = 0
    if (kind === BULK && !this.#isNegative) {
      this.#skip = this.#number + CRLF_BYTES
      return 0
    }
    if (kind === ARRAY && !this.#isNegative) {
      this.#missing += this.#number
      return this.#elementDone()
    }
    if (kind === BULK || kind === ARRAY) this.#nulls += 1
    if (kind === INTEGER) this.#lastInteger = this.#isNegative ? -this.#number : this.#number
    if (kind === ERROR) {
      this.#errors += 1
      this.#firstError ??= this.#errorText
    }
    return this.#elementDone()
  }

  #elementDone(): number {
    this.#missing -= 1
    assert(this.#missing >= 0)
    return this.#missing === 0 ? 1 : 0
  }
}
