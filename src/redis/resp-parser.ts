/**
 * Cuts the byte stream of a client into requests (RESP arrays of bulk strings, or inline lines).
 *
 *   request = '*' count CR any (bulk){count}  |  line LF
 *   bulk    = '$' length CR any  bytes{length}  any any
 *
 * `any` is one byte that Redis expects to be LF (or CR LF behind a bulk) and does not check; nor
 * do we. Counts ≤ 0 and empty lines are no requests and are skipped.
 *
 * The caller appends chunks as they arrive and takes one request at a time, because a request may
 * change how the next one is read (AUTH lifts the limits). Bytes are parsed in place; what is cut
 * at the end of a chunk is kept as strings (the line so far, the parts of the bulk so far), so a
 * chunk is never kept or copied into a larger buffer, and a bulk of n bytes costs O(n) however
 * it is cut. Memory grows with the bytes received, never with a length that was only declared.
 *
 * Failure: bytes that are not a request set `failure` for good; the connection answers it and
 * closes, because nothing behind such bytes can be trusted to be a request.
 */
import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { type ByteString, EMPTY_BYTES } from '../base/bytes.ts'
import { parseInteger } from '../kv/integers.ts'
import { splitInlineRequest } from './inline-request.ts'
import { appendNameByte, KNOWN_NAME_BYTES_MAX, type KnownNames } from './known-names.ts'

export const MAX_LINE_BYTES = 64 * 1024
export const MAX_ARGUMENTS = 1024 * 1024
export const MAX_BULK_BYTES = 64 * 1024 * 1024
/** All arguments of one request together. Redis has 1 GB (client-query-buffer-limit); a string here can't be so long. */
export const MAX_REQUEST_BYTES = 256 * 1024 * 1024

/** Chunks that arrived while no request was taken: what was under way when the socket was paused. */
export const MAX_WAITING_BYTES = 64 * 1024 * 1024

/** Until AUTH, so that strangers can't make the server hold much for them. */
export const MAX_ARGUMENTS_RESTRICTED = 10
export const MAX_BULK_BYTES_RESTRICTED = 16 * 1024
export const MAX_REQUEST_BYTES_RESTRICTED = 64 * 1024

/** Read anew for every request: the owner may change it at any time. */
export type ParserLimits = { readonly maxBulkBytes: number }

export interface RespParser {
  /** The chunk belongs to the parser until it has been parsed. */
  append(chunk: Buffer): void
  /** The next complete request; null when more bytes are needed or `failure` is set. */
  next(): ByteString[] | null
  /** Redis' error line (`ERR Protocol error: …`), once the stream is broken. */
  readonly failure: ByteString | null
  /** True while the client must authenticate first. */
  isRestricted: boolean
  /** Bytes received and not yet handed out by `next`. */
  readonly heldBytes: number
}

const LF = 0x0a
const CR = 0x0d
const DOLLAR = 0x24
const ASTERISK = 0x2a
const ZERO = 0x30
const NINE = 0x39

/** Longer numbers take the careful path, which knows about overflow. */
const MAX_FAST_DIGITS = 10
const INCOMPLETE = -1
const NO_CHUNK = Buffer.alloc(0)
/**
 * Pieces joined into one string at a time. A string that was put together byte by byte takes some
 * 30 bytes for each until it is made flat: whoever dribbles would make the server hold that much.
 */
const PIECES_MAX = 64

class Parser implements RespParser {
  isRestricted = false
  readonly #limits: ParserLimits
  readonly #knownNames: KnownNames
  #failure: ByteString | null = null

  /** Chunks behind `#chunk`, oldest first. */
  #waiting: Buffer[] = []
  #waitingBytes = 0
  #chunk: Buffer = NO_CHUNK
  #at = 0

  /** A header or inline line that began in an earlier chunk. */
  #line: ByteString = EMPTY_BYTES
  #linePieces = 0
  /** The request being filled; null between requests. */
  #args: ByteString[] | null = null
  #argsWanted = 0
  #requestBytes = 0
  /** Bytes of the current bulk still to come, with the two that end it; 0 when a header comes next. */
  #bulkRemaining = 0
  #bulkParts: ByteString[] = []
  #bulkPartBytes = 0

  constructor(limits: ParserLimits, knownNames: KnownNames) {
    this.#limits = limits
    this.#knownNames = knownNames
  }

  get failure(): ByteString | null {
    return this.#failure
  }

  get heldBytes(): number {
    const unread = this.#chunk.length - this.#at + this.#waitingBytes
    return unread + this.#line.length + this.#requestBytes + this.#bulkPartBytes
  }

  append(chunk: Buffer): void {
    if (chunk.length === 0 || this.#failure !== null) return
    if (this.#at === this.#chunk.length && this.#waiting.length === 0) {
      this.#chunk = chunk
      this.#at = 0
    } else {
      this.#waiting.push(chunk)
      this.#waitingBytes += chunk.length
      assert(this.#waitingBytes <= MAX_WAITING_BYTES, 'more bytes came although reading was to pause')
    }
  }

  next(): ByteString[] | null {
    while (this.#failure === null && (this.#at < this.#chunk.length || this.#nextChunk())) {
      const args = this.#args
      if (args === null) {
        const inline = this.#begin()
        if (inline !== null) return inline
      } else if (this.#fill(args)) {
        assert(args.length === this.#argsWanted)
        this.#args = null
        this.#requestBytes = 0
        return args
      }
    }
    return null
  }

  #nextChunk(): boolean {
    const chunk = this.#waiting.shift()
    this.#chunk = chunk ?? NO_CHUNK
    this.#at = 0
    if (chunk === undefined) return false
    this.#waitingBytes -= chunk.length
    assert(this.#waitingBytes >= 0)
    return true
  }

  /** Reads the start of a request. Returns the words of an inline request. */
  #begin(): ByteString[] | null {
    const isArray = this.#line.length === 0 ? this.#chunk[this.#at] === ASTERISK : this.#line[0] === '*'
    if (!isArray) return this.#readInline()
    const count = this.#line.length === 0 ? this.#readShortNumber() : INCOMPLETE
    if (count !== INCOMPLETE) {
      this.#beginArray(count)
      return null
    }
    const line = this.#readHeader('too big mbulk count string')
    if (line === null) return null
    const parsed = parseInteger(line.slice(1))
    if (parsed === null) this.#fail('invalid multibulk length')
    else this.#beginArray(Number(parsed))
    return null
  }

  #beginArray(count: number): void {
    if (count > MAX_ARGUMENTS) this.#fail('invalid multibulk length')
    else if (this.isRestricted && count > MAX_ARGUMENTS_RESTRICTED) {
      this.#fail('unauthenticated multibulk length')
    } else if (count > 0) {
      this.#args = []
      this.#argsWanted = count
    }
  }

  /** True when all arguments are there. */
  #fill(args: ByteString[]): boolean {
    const chunk = this.#chunk
    while (args.length < this.#argsWanted) {
      if (this.#bulkRemaining === 0 && !this.#readBulkLength()) return false
      const start = this.#at
      const end = start + this.#bulkRemaining
      if (this.#bulkPartBytes === 0 && end <= chunk.length && this.#bulkRemaining > 2) {
        args.push(args.length === 0 ? this.#readName(start, end - 2) : chunk.latin1Slice(start, end - 2))
        this.#requestBytes += end - 2 - start
        this.#at = end
        this.#bulkRemaining = 0
      } else if (!this.#takeBulkPart(args)) return false
    }
    return true
  }

  #readName(start: number, end: number): ByteString {
    if (end - start <= KNOWN_NAME_BYTES_MAX) {
      let packed = 0
      for (let at = start; at < end; at++) packed = appendNameByte(packed, this.#chunk[at] as number)
      const known = this.#knownNames.get(packed)
      if (known !== undefined) return known
    }
    return this.#chunk.latin1Slice(start, end)
  }

  /** Takes what this chunk has of a bulk that is cut (or empty). True when the bulk is complete. */
  #takeBulkPart(args: ByteString[]): boolean {
    assert(this.#bulkRemaining > 0)
    const available = this.#chunk.length - this.#at
    const dataBytes = Math.min(this.#bulkRemaining - 2, available)
    if (dataBytes > 0) {
      this.#bulkParts.push(this.#chunk.latin1Slice(this.#at, this.#at + dataBytes))
      this.#bulkPartBytes += dataBytes
    }
    const takenBytes = Math.min(this.#bulkRemaining, available)
    this.#at += takenBytes
    this.#bulkRemaining -= takenBytes
    if (this.#bulkRemaining > 0) {
      // Beyond what strangers may send the pieces are left alone: joining them over and over would cost more.
      if (this.#bulkParts.length >= PIECES_MAX && this.#bulkPartBytes <= MAX_BULK_BYTES_RESTRICTED)
        this.#bulkParts = [flat(this.#bulkParts.join(''))]
      return false
    }
    const parts = this.#bulkParts
    args.push(parts.length === 1 ? (parts[0] as ByteString) : parts.join(''))
    this.#requestBytes += this.#bulkPartBytes
    this.#bulkParts = []
    this.#bulkPartBytes = 0
    return true
  }

  /** Sets `#bulkRemaining`; false when the header is not complete or wrong. */
  #readBulkLength(): boolean {
    let length = INCOMPLETE
    if (this.#line.length === 0 && this.#chunk[this.#at] === DOLLAR) length = this.#readShortNumber()
    if (length === INCOMPLETE) {
      if (this.#at === this.#chunk.length) return false
      const line = this.#readHeader('too big bulk count string')
      if (line === null) return false
      if (line[0] !== '$') return this.#fail(`expected '$', got '${line[0] ?? '\r'}'`)
      length = Number(parseInteger(line.slice(1)) ?? INCOMPLETE)
    }
    if (length < 0 || length > this.#limits.maxBulkBytes) return this.#fail('invalid bulk length')
    const requestBytes = this.#requestBytes + length
    if (this.isRestricted) {
      if (length > MAX_BULK_BYTES_RESTRICTED || requestBytes > MAX_REQUEST_BYTES_RESTRICTED) {
        return this.#fail('unauthenticated bulk length')
      }
    } else if (requestBytes > MAX_REQUEST_BYTES) {
      return this.#fail(`request of more than ${MAX_REQUEST_BYTES} bytes`)
    }
    this.#bulkRemaining = length + 2
    return true
  }

  /**
   * The digits behind a type byte, when they are short, regular and complete in this chunk; then
   * the header is consumed. Otherwise INCOMPLETE, nothing is consumed, and `#readHeader` decides.
   */
  #readShortNumber(): number {
    const chunk = this.#chunk
    const first = this.#at + 1
    const end = Math.min(chunk.length - 1, first + MAX_FAST_DIGITS)
    let value = 0
    for (let at = first; at < end; at++) {
      const byte = chunk[at] as number
      if (byte >= ZERO && byte <= NINE) value = value * 10 + (byte - ZERO)
      else if (byte !== CR || at === first || (chunk[first] === ZERO && at > first + 1)) return INCOMPLETE
      else {
        this.#at = at + 2
        return value
      }
    }
    return INCOMPLETE
  }

  /** The header line up to its CR, once the byte behind the CR has come too. */
  #readHeader(tooLong: string): ByteString | null {
    assert(this.#at < this.#chunk.length)
    if (this.#line.endsWith('\r')) {
      this.#at++
      return this.#takeLine(EMPTY_BYTES).slice(0, -1)
    }
    const end = this.#chunk.indexOf(CR, this.#at)
    const lineBytes = this.#line.length + (end < 0 ? this.#chunk.length : end) - this.#at
    if (lineBytes > MAX_LINE_BYTES) {
      this.#fail(tooLong)
      return null
    }
    if (end >= 0 && end + 1 < this.#chunk.length) {
      const rest = this.#chunk.latin1Slice(this.#at, end)
      this.#at = end + 2
      return this.#takeLine(rest)
    }
    this.#keepRestAsLine()
    return null
  }

  #readInline(): ByteString[] | null {
    const end = this.#chunk.indexOf(LF, this.#at)
    const lineBytes = this.#line.length + (end < 0 ? this.#chunk.length : end) - this.#at
    if (lineBytes > MAX_LINE_BYTES) {
      this.#fail('too big inline request')
      return null
    }
    if (end < 0) {
      this.#keepRestAsLine()
      return null
    }
    const line = this.#takeLine(this.#chunk.latin1Slice(this.#at, end))
    this.#at = end + 1
    const words = splitInlineRequest(line)
    if (words === null) this.#fail('unbalanced quotes in request')
    return words === null || words.length === 0 ? null : words
  }

  #takeLine(rest: ByteString): ByteString {
    const line = this.#line + rest
    this.#line = EMPTY_BYTES
    return line
  }

  #keepRestAsLine(): void {
    this.#line += this.#chunk.latin1Slice(this.#at, this.#chunk.length)
    this.#at = this.#chunk.length
    this.#linePieces += 1
    if (this.#linePieces >= PIECES_MAX) {
      this.#line = flat(this.#line)
      this.#linePieces = 0
    }
    assert(this.#line.length <= MAX_LINE_BYTES + 1)
  }

  #fail(what: string): false {
    assert(this.#failure === null)
    this.#failure = `ERR Protocol error: ${what}`
    this.#chunk = NO_CHUNK
    this.#at = 0
    this.#waiting = []
    this.#waitingBytes = 0
    this.#line = EMPTY_BYTES
    this.#args = null
    this.#requestBytes = 0
    this.#bulkParts = []
    this.#bulkPartBytes = 0
    return false
  }
}

/** The same bytes as one piece of memory. */
function flat(bytes: ByteString): ByteString {
  return Buffer.from(bytes, 'latin1').latin1Slice()
}

export function createRespParser(
  limits: ParserLimits = { maxBulkBytes: MAX_BULK_BYTES },
  knownNames: KnownNames = new Map(),
): RespParser {
  return new Parser(limits, knownNames)
}
