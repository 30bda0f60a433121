/**
 * The replies of one connection, in the order of the requests: some come late and in any order, each is
 * encoded in the RESP version in force when its request was read. The common case, the answer to the oldest
 * request, appends to one output string and allocates no slot.
 *
 * Not more than `maxOutputBytes` is encoded ahead of the client: what comes beyond it waits as replies. A large
 * reply is encoded in pieces, some in each turn, as far as the client takes them.
 */
import assert from 'node:assert/strict'
import type { ByteString } from '../base/bytes.ts'
import type { Reply } from '../kv/reply.ts'
import { appendReply, encodeScalar, isLarge, piecesOf, type RespVersion } from './resp-encoder.ts'

/** Output is handed over early at this size, so that large replies never form one huge string. */
const SPILL_BYTES = 256 * 1024
/** Of a large reply: encoding so much takes a millisecond or two. */
const LARGE_BYTES_PER_TURN = 256 * 1024

/** 0: the client asked for no reply. */
export type ReplyForm = RespVersion | 0

export type ReplyQueueOptions = {
  /** What was written and is not yet with the operating system. */
  readonly bufferedBytes: () => number
  readonly write: (bytes: ByteString) => void
  /** Runs once, when others had their turn. */
  readonly laterTurn: (run: () => void) => void
  /** A piece of a large reply was encoded, in a turn of its own. */
  readonly onPiece: () => void
  readonly maxOutputBytes: number
}

type HeldReply = { readonly reply: Reply; readonly form: ReplyForm }

export class ReplyQueue {
  readonly #options: ReplyQueueOptions
  /** Number of the next request, and of the oldest one whose reply has not been appended. */
  #next = 0
  #head = 0
  /** Replies that can't leave yet, by request number. */
  readonly #held = new Map<number, HeldReply>()
  #output: ByteString = ''
  /** What is left of the oldest request's reply, when that is a large one. */
  #large: Iterator<ByteString, void> | null = null
  #isLargeScheduled = false
  #bufferedBytes = 0
  #isClosed = false

  constructor(options: ReplyQueueOptions) {
    assert(options.maxOutputBytes > 0)
    this.#options = options
  }

  /** Requests without a reply yet. */
  get owed(): number {
    return this.#next - this.#head
  }

  /** Encoded, and not yet with the operating system, as of the last look. */
  get waitingBytes(): number {
    return this.#output.length + this.#bufferedBytes
  }

  /** A place in the order, for a request that was read. */
  take(): number {
    return this.#next++
  }

  put(request: number, form: ReplyForm, reply: Reply): void {
    assert(request >= this.#head && request < this.#next, 'a request was answered twice')
    if (request === this.#head && !this.#isOverfull()) {
      this.#append(reply, form)
      if (this.#held.size > 0) this.#appendHeld()
    } else {
      assert(!this.#held.has(request), 'a request was answered twice')
      this.#held.set(request, { reply, form })
    }
  }

  /** Looks at the socket, and appends what it has room for. */
  refresh(): void {
    this.#bufferedBytes = this.#options.bufferedBytes()
    this.#appendHeld()
  }

  /** Writes what was encoded. True when there is more that could be encoded now. */
  flush(): boolean {
    this.#writeOutput()
    if (this.#large !== null && !this.#isOverfull()) this.#scheduleLarge()
    return this.#held.has(this.#head) && !this.#isOverfull()
  }

  /** The socket is gone. */
  close(): void {
    this.#isClosed = true
    this.#held.clear()
    this.#large = null
    this.#output = ''
  }

  #appendHeld(): void {
    while (this.#held.size > 0 && !this.#isOverfull()) {
      const held = this.#held.get(this.#head)
      if (held === undefined) return
      this.#held.delete(this.#head)
      this.#append(held.reply, held.form)
    }
  }

  #append(reply: Reply, form: ReplyForm): void {
    if (form !== 0 && isLarge(reply)) {
      this.#large = piecesOf(reply, form)
      this.#scheduleLarge()
      return
    }
    this.#head++
    if (form === 0) return
    const bytes = encodeScalar(reply, form)
    if (bytes !== null) this.#appendBytes(bytes)
    else appendReply(reply, form, (piece) => this.#appendBytes(piece))
  }

  #scheduleLarge(): void {
    if (this.#isLargeScheduled) return
    this.#isLargeScheduled = true
    this.#options.laterTurn(() => {
      this.#isLargeScheduled = false
      this.#appendLarge()
      this.#options.onPiece()
    })
  }

  #appendLarge(): void {
    this.#bufferedBytes = this.#options.bufferedBytes()
    for (let bytes = 0; bytes < LARGE_BYTES_PER_TURN && !this.#isOverfull(); ) {
      const piece = this.#large?.next()
      if (piece === undefined) return
      if (piece.done === true) {
        this.#large = null
        this.#head++
        return
      }
      bytes += piece.value.length
      this.#appendBytes(piece.value)
    }
  }

  #appendBytes(bytes: ByteString): void {
    this.#output += bytes
    if (this.#output.length >= SPILL_BYTES) this.#writeOutput()
  }

  #writeOutput(): void {
    const output = this.#output
    if (output.length === 0 || this.#isClosed) return
    this.#output = ''
    this.#options.write(output)
    this.#bufferedBytes = this.#options.bufferedBytes()
  }

  #isOverfull(): boolean {
    return this.#output.length + this.#bufferedBytes > this.#options.maxOutputBytes
  }
}
