/**
 * One client connection as a state machine without a socket: bytes in, bytes out.
 *
 * Requests are carried out in the order they came. Those of the key machine may be answered later
 * and in any order; replies leave in the order of the requests (reply-queue.ts).
 *
 * Back-pressure: when `maxPipelined` replies are owed, or more than `maxOutputBytes` wait to be
 * sent, no further request is read and the owner is told to pause the socket.
 *
 * Fairness: after `REQUESTS_PER_TURN` requests in a row the rest of what was read waits until the other
 * connections had their turn.
 *
 * A client that sends nothing more gets all it asked for answered, then the connection closes.
 *
 * Failure: bytes that are no request are answered with Redis' error once everything before them
 * is answered, then the connection closes. A handler that throws is a bug and is not caught.
 */
import assert from 'node:assert/strict'
import type { Buffer } from 'node:buffer'
import type { ByteString } from '../base/bytes.ts'
import type { CommandInfo } from '../kv/command-info.ts'
import { type ErrorReply, error, isError, OK, type Reply } from '../kv/reply.ts'
import { needsAuthentication } from './authentication.ts'
import type { QueuedCommand } from './client-transaction.ts'
import type { ExecutedCommand } from './command-statistics.ts'
import type { CommandTable, TableEntry } from './command-table.ts'
import type { DataRequest, ParsedCommand } from './data-request.ts'
import { lowerCase } from './lower-case.ts'
import {
  AUTHENTICATION_REQUIRED,
  EXEC_ABORTED,
  EXEC_WITHOUT_MULTI,
  execAborted,
  WATCH_IN_MULTI,
} from './redis-errors.ts'
import type { RedisSession } from './redis-session.ts'
import { type ReplyForm, ReplyQueue } from './reply-queue.ts'
import { createRespParser, type RespParser } from './resp-parser.ts'
import type { ServerFacts } from './server-facts.ts'
import { watchKeys } from './watch-keys.ts'

export const MAX_PIPELINED = 10_000
export const MAX_OUTPUT_BYTES = 16 * 1024 * 1024
/** Whoever has not authenticated, sends more and doesn't read what we answered, is cut off. */
export const MAX_OUTPUT_BYTES_RESTRICTED = 1024
/** Carried out in a row for one client: with the cheapest ones about a millisecond. */
export const REQUESTS_PER_TURN = 512

export type RedisConnectionOptions = {
  readonly session: RedisSession
  readonly server: ServerFacts
  readonly table: CommandTable
  /** Carries out what is asked of the key machine; calls `respond` exactly once, now or later. */
  readonly execute: (request: DataRequest, respond: (reply: Reply) => void) => void
  /** Once per `receive` or turn, unless the replies are very large. */
  readonly write: (bytes: ByteString) => void
  /** What was written and is not yet with the operating system. */
  readonly bufferedBytes: () => number
  /** Runs once, when the events of this turn have been handled. */
  readonly endOfTurn: (run: () => void) => void
  /** Runs once, when others had their turn. */
  readonly laterTurn: (run: () => void) => void
  /** Stop reading from the client, or go on. */
  readonly pauseChanged: (isPaused: boolean) => void
  /** Send what was written, then close. Called once. */
  readonly end: () => void
  /** Close now. Called once. */
  readonly destroy: () => void
  readonly maxPipelined?: number
  /** Not below the socket's high-water mark, or `drained` might never be called. */
  readonly maxOutputBytes?: number
}

export interface RedisConnection {
  readonly session: RedisSession
  receive(chunk: Buffer): void
  /** The socket has sent what it held back. */
  drained(): void
  /** The client sends nothing more, but may still read. */
  inputEnded(): void
  /** The socket is gone: answers that still come are dropped. */
  closed(): void
  /** True while the owner must not read from the client. */
  readonly wantsPause: boolean
  /** Requests without a reply yet. */
  readonly owedReplies: number
  /** All that it could carry out is answered. */
  readonly isAtRest: boolean
}

/** Names that browsers send when a web page makes them speak HTTP to a Redis port. */
const CROSS_PROTOCOL_NAMES: ReadonlySet<string> = new Set(['post', 'host:'])

/** Whether their own reply is sent depends on what they did. */
const CHANGES_REPLIES: ReadonlySet<string> = new Set(['client|reply', 'reset'])

class Connection implements RedisConnection {
  readonly session: RedisSession
  readonly #options: RedisConnectionOptions
  readonly #parser: RespParser
  readonly #maxPipelined: number
  readonly #maxOutputBytes: number
  readonly #replies: ReplyQueue

  #state: 'open' | 'ending' | 'closed' = 'open'
  #isInputEnded = false
  #isPaused = false
  /** Too much is owed, or waits to be sent. */
  #isFull = false
  #isParsing = false
  #isProceedScheduled = false
  /** What the next request means depends on an answer that has not come: it is not read yet. */
  #isBarred = false
  /** The rest of what was read is carried out in a later turn. */
  #hadItsTurn = false
  /** Read, and not carried out yet because of CLIENT PAUSE. */
  #postponed: ByteString[] | null = null
  /** The reply of the request being carried out is not sent. */
  #isSilent = false
  /** When the requests that are being parsed were read: one look at the clock for all of them. */
  #readMs: number | null = null

  constructor(options: RedisConnectionOptions) {
    this.#options = options
    this.session = options.session
    this.#maxPipelined = options.maxPipelined ?? MAX_PIPELINED
    this.#maxOutputBytes = options.maxOutputBytes ?? MAX_OUTPUT_BYTES
    assert(this.#maxPipelined > 0)
    this.#replies = new ReplyQueue({
      bufferedBytes: options.bufferedBytes,
      write: (bytes) => {
        options.server.counters.outputBytes += bytes.length
        options.write(bytes)
      },
      laterTurn: options.laterTurn,
      onPiece: () => this.#proceed(),
      maxOutputBytes: this.#maxOutputBytes,
    })
    this.#parser = createRespParser(options.server.configuration, options.table.knownNames)
  }

  get wantsPause(): boolean {
    return this.#isPaused
  }

  get owedReplies(): number {
    return this.#replies.owed
  }

  get isAtRest(): boolean {
    return this.owedReplies === 0 && !this.#hadItsTurn
  }

  receive(chunk: Buffer): void {
    if (this.#state !== 'open') return
    const { server } = this.#options
    if (this.#parser.isRestricted && this.#options.bufferedBytes() > MAX_OUTPUT_BYTES_RESTRICTED) {
      this.#destroy()
      return
    }
    this.session.lastActiveAtMs = server.monotonicMs()
    server.counters.inputBytes += chunk.length
    this.#parser.append(chunk)
    this.#proceed()
  }

  drained(): void {
    this.#proceed()
  }

  inputEnded(): void {
    this.#isInputEnded = true
    this.#proceed()
  }

  closed(): void {
    this.#state = 'closed'
    this.#replies.close()
  }

  /** Moves everything on that can move: held replies, waiting requests, output, the end. */
  #proceed(): void {
    if (this.#state === 'closed' || this.#isParsing) return
    this.#replies.refresh()
    this.#parse()
    this.#flush()
  }

  #parse(): void {
    this.#isParsing = true
    this.#readMs = null
    try {
      this.#updatePause()
      for (let carriedOut = 0; this.#state === 'open' && !this.#isPaused; carriedOut++) {
        if (carriedOut === REQUESTS_PER_TURN) {
          this.#giveWay()
          break
        }
        this.#parser.isRestricted = needsAuthentication(this.session, this.#options.server)
        const args = this.#postponed ?? this.#parser.next()
        this.#postponed = null
        if (args === null) {
          if (this.#parser.failure !== null) this.#failProtocol(this.#parser.failure)
          break
        }
        if (this.#isPostponed(args)) break
        this.#carryOut(args)
        this.#updatePause()
      }
    } finally {
      this.#isParsing = false
    }
  }

  #giveWay(): void {
    this.#hadItsTurn = true
    this.#updatePause()
    this.#options.laterTurn(() => {
      this.#hadItsTurn = false
      this.#proceed()
    })
  }

  /** Whether CLIENT PAUSE lets it wait; it is then carried out when the pause is over. */
  #isPostponed(args: ByteString[]): boolean {
    const { server, table } = this.#options
    // Nearly always: no clock is read for it.
    if (server.clientPause.untilMs === 0) return false
    const nowMs = server.monotonicMs()
    if (!server.clientPause.holds(nowMs, true)) return false
    const entry = table.resolve(args)
    if (entry.kind === 'error' || entry.info.name === 'client|unpause') return false
    const isWrite = entry.info.flags.includes('write') || entry.run === 'exec'
    if (!server.clientPause.holds(nowMs, isWrite)) return false
    this.#postponed = args
    this.#isBarred = true
    server.clientPause.wait(() => {
      this.#isBarred = false
      this.#scheduleProceed()
    })
    this.#updatePause()
    return true
  }

  #carryOut(args: ByteString[]): void {
    const { table, server } = this.#options
    const { session } = this
    const entry = table.resolve(args)
    const request = this.#replies.take()
    server.counters.commandsProcessed++
    this.#isSilent = session.replies !== 'on'
    if (session.replies === 'skip') session.replies = 'on'
    if (entry.kind === 'error') {
      this.#refuse(request, args, entry)
      return
    }
    session.lastCommand = entry.info.name
    if (!entry.allowedBeforeAuth && this.#parser.isRestricted) {
      this.#refuse(request, args, AUTHENTICATION_REQUIRED)
    } else if (session.transaction.queues(entry)) {
      this.#answer(request, this.#form, session.transaction.add(entry, args))
    } else if (typeof entry.run === 'function') {
      const startedMs = server.monotonicMs()
      const reply = entry.run(session, args, server)
      if (CHANGES_REPLIES.has(entry.info.name)) this.#isSilent = session.replies !== 'on'
      this.#record({ info: entry.info, args }, startedMs, reply)
      this.#answerHere(request, reply)
    } else if (entry.run === 'exec') {
      this.#exec(request, entry.info)
    } else if (entry.run === 'watch') {
      this.#watch(request, args.slice(1))
    } else {
      const form = this.#form
      const command = commandOf(entry, args)
      const startedMs = this.#startMs()
      this.#options.execute(command, (reply) => {
        this.#record(command, startedMs, reply)
        this.#answer(request, form, reply)
      })
    }
  }

  #startMs(): number {
    this.#readMs ??= this.#options.server.monotonicMs()
    return this.#readMs
  }

  get #form(): ReplyForm {
    return this.#isSilent ? 0 : this.session.protocol
  }

  #record(command: ExecutedCommand, startedMs: number, reply: Reply): void {
    const { server } = this.#options
    server.statistics.record(command, reply, startedMs, server.monotonicMs(), this.session)
  }

  #refuse(request: number, args: readonly ByteString[], refusal: ErrorReply): void {
    const { transaction } = this.session
    const name = lowerCase(args[0] as ByteString)
    if (CROSS_PROTOCOL_NAMES.has(name)) {
      this.#destroy()
    } else if (name === 'exec') {
      transaction.take()
      this.#answer(request, this.#form, execAborted(refusal))
    } else {
      transaction.abort()
      this.#answer(request, this.#form, refusal)
    }
  }

  /** The connection's own commands run when the others are done, in their place among the replies. */
  #exec(request: number, info: CommandInfo): void {
    const taken = this.session.transaction.take()
    const form = this.#form
    const startedMs = this.#startMs()
    if (taken === null || taken.isAborted) {
      this.#answer(request, form, taken === null ? EXEC_WITHOUT_MULTI : EXEC_ABORTED)
      return
    }
    const { queue, watches } = taken
    const commands = queue.filter(({ entry }) => entry.run === null)
    if (commands.length === 0 && watches.length === 0) {
      this.#answerHere(request, this.#joinReplies(queue, []))
      return
    }
    // They may change what the requests behind EXEC mean: a name, the protocol.
    this.#isBarred = commands.length < queue.length
    const parsed = commands.map(({ entry, args }) => commandOf(entry, args))
    this.#options.execute({ kind: 'transaction', watches, commands: parsed }, (reply) => {
      if (this.#state === 'closed') return
      this.#isBarred = false
      this.#record({ info, args: ['exec'] }, startedMs, reply)
      if (Array.isArray(reply)) this.#answerHere(request, this.#joinReplies(queue, reply), form)
      else this.#answer(request, form, reply)
    })
  }

  #joinReplies(queue: readonly QueuedCommand[], replies: readonly Reply[]): readonly Reply[] {
    let next = 0
    const joined = queue.map(({ entry, args }): Reply => {
      if (typeof entry.run === 'function') return entry.run(this.session, args, this.#options.server)
      assert(entry.run === null && next < replies.length, 'EXEC has a reply for every command')
      return replies[next++] as Reply
    })
    assert(next === replies.length, 'EXEC has a command for every reply')
    return joined
  }

  #watch(request: number, keys: readonly ByteString[]): void {
    const form = this.#form
    const { transaction } = this.session
    const added = transaction.isOpen ? WATCH_IN_MULTI : transaction.unwatched(keys)
    if ('kind' in added || added.length === 0) {
      this.#answer(request, form, 'kind' in added ? added : OK)
      return
    }
    this.#isBarred = true
    watchKeys(added, this.#options.execute, (reply) => {
      if (this.#state === 'closed') return
      this.#isBarred = false
      const isWatched = Array.isArray(reply)
      if (isWatched) transaction.watch(added, reply)
      this.#answer(request, form, isWatched ? OK : reply)
    })
  }

  #answerHere(request: number, reply: Reply, form: ReplyForm = this.#form): void {
    if (this.session.closesAfterReply && this.#state === 'open') this.#state = 'ending'
    this.#answer(request, form, reply)
  }

  #failProtocol(failure: ByteString): void {
    assert(this.#state === 'open')
    this.#state = 'ending'
    this.#answer(this.#replies.take(), this.session.protocol, error(failure))
  }

  #answer(request: number, form: ReplyForm, reply: Reply): void {
    if (this.#state === 'closed') return
    if (isError(reply)) this.#countError(reply)
    this.#replies.put(request, form, reply)
    if (!this.#isParsing) this.#scheduleProceed()
  }

  #countError(reply: ErrorReply): void {
    const { counters, statistics } = this.#options.server
    counters.errorReplies++
    statistics.recordError(reply.text)
  }

  #flush(): void {
    const canReply = this.#replies.flush()
    // What stopped for the output may go on at once when the socket has taken it; else `drained` comes.
    const canResume = this.#isPaused && !this.#mustPause()
    if (canResume || canReply) this.#scheduleProceed()
    // While it is paused, the parser may hold requests that came before the end.
    const isLast = this.#state === 'ending' || (this.#isInputEnded && !this.#isPaused)
    if (this.#state !== 'closed' && isLast && this.#replies.owed === 0) {
      this.#state = 'closed'
      this.#options.end()
    }
  }

  readonly #proceedAtEndOfTurn = (): void => {
    this.#isProceedScheduled = false
    this.#proceed()
  }

  #scheduleProceed(): void {
    if (this.#isProceedScheduled) return
    this.#isProceedScheduled = true
    this.#options.endOfTurn(this.#proceedAtEndOfTurn)
  }

  // Full at the limit, and until half of it, so that the socket isn't switched for every reply.
  #isStillFull(): boolean {
    const { owed, waitingBytes } = this.#replies
    return this.#isFull
      ? owed > this.#maxPipelined / 2 || waitingBytes > this.#maxOutputBytes / 2
      : owed >= this.#maxPipelined || waitingBytes > this.#maxOutputBytes
  }

  #mustPause(): boolean {
    return this.#isBarred || this.#hadItsTurn || this.#isStillFull()
  }

  #updatePause(): void {
    this.#isFull = this.#isStillFull()
    const mustPause = this.#isBarred || this.#hadItsTurn || this.#isFull
    if (mustPause === this.#isPaused) return
    this.#isPaused = mustPause
    this.#options.pauseChanged(mustPause)
  }

  #destroy(): void {
    this.closed()
    this.#options.destroy()
  }
}

function commandOf(entry: TableEntry, args: ByteString[]): ParsedCommand {
  args[0] = entry.info.name
  return { kind: 'command', info: entry.info, args }
}

export function createRedisConnection(options: RedisConnectionOptions): RedisConnection {
  return new Connection(options)
}
