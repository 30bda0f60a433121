/**
 * MULTI and WATCH of one connection: the commands queued since MULTI, and the keys it watches with
 * the revisions they had. Lost with the connection, as in Redis: nothing of it is anywhere else.
 */
import assert from 'node:assert/strict'
import type { ByteString } from '../base/bytes.ts'
import type { WatchedKey } from '../kv/command.ts'
import { TRANSACTION_COMMANDS_MAX, WATCHED_KEYS_MAX } from '../kv/command-codec.ts'
import { type ErrorReply, error, type Reply, status } from '../kv/reply.ts'
import type { TableEntry } from './command-table.ts'

/** Of all arguments: the transaction is one entry of the log and one message between nodes. */
export const TRANSACTION_BYTES_MAX = 128 * 1024 * 1024
export const WATCHED_BYTES_MAX = 16 * 1024 * 1024

const QUEUED = status('QUEUED')
const NOT_IN_TRANSACTION = error('ERR Command not allowed inside a transaction')
const TOO_MANY_COMMANDS = error(
  `ERR a transaction has at most ${TRANSACTION_COMMANDS_MAX} commands: nothing of it will be executed; ` +
    'split it, or use a pipeline',
)
const TOO_LARGE = error(
  `ERR a transaction has at most ${TRANSACTION_BYTES_MAX} bytes: nothing of it will be executed; split it`,
)
const TOO_MANY_WATCHED = error(
  `ERR a connection watches at most ${WATCHED_KEYS_MAX} keys of ${WATCHED_BYTES_MAX} bytes together`,
)

/** Carried out at once although a transaction is open. */
const NEVER_QUEUED: ReadonlySet<string> = new Set(['discard', 'exec', 'multi', 'quit', 'reset', 'watch'])

export type QueuedCommand = { readonly entry: TableEntry; readonly args: ByteString[] }
type TakenTransaction = {
  readonly queue: readonly QueuedCommand[]
  readonly watches: readonly WatchedKey[]
  /** Something was wrong with a command that should have been queued. */
  readonly isAborted: boolean
}

export class ClientTransaction {
  #queue: QueuedCommand[] | null = null
  #queuedBytes = 0
  #isAborted = false
  readonly #watches = new Map<ByteString, number>()
  #watchedBytes = 0

  get isOpen(): boolean {
    return this.#queue !== null
  }

  /** As CLIENT LIST shows it: -1 when none is open. */
  get queuedCommands(): number {
    return this.#queue?.length ?? -1
  }

  get watchedKeys(): number {
    return this.#watches.size
  }

  begin(): void {
    assert(this.#queue === null)
    this.#queue = []
  }

  queues(entry: TableEntry): boolean {
    return this.#queue !== null && !NEVER_QUEUED.has(entry.info.name)
  }

  add(entry: TableEntry, args: ByteString[]): Reply {
    assert(this.#queue !== null)
    const refusal = this.#refusal(entry, args)
    if (refusal !== null) {
      this.abort()
      return refusal
    }
    this.#queue.push({ entry, args })
    return QUEUED
  }

  /** EXEC will execute nothing. No effect outside of a transaction. */
  abort(): void {
    if (this.#queue === null) return
    this.#isAborted = true
    this.#queue = []
    this.#queuedBytes = 0
  }

  /** Ends it; what it watched is forgotten. Null when none is open. */
  take(): TakenTransaction | null {
    if (this.#queue === null) return null
    const watches = [...this.#watches].map(([key, revision]) => ({ key, revision }))
    const taken = { queue: this.#queue, watches, isAborted: this.#isAborted }
    this.#queue = null
    this.#queuedBytes = 0
    this.#isAborted = false
    this.unwatch()
    return taken
  }

  unwatch(): void {
    this.#watches.clear()
    this.#watchedBytes = 0
  }

  /** Those of `keys` that are not watched yet: the first WATCH of a key counts. */
  unwatched(keys: readonly ByteString[]): readonly ByteString[] | ErrorReply {
    const added = [...new Set(keys)].filter((key) => !this.#watches.has(key))
    const bytes = added.reduce((sum, key) => sum + key.length, this.#watchedBytes)
    const isTooMuch = this.#watches.size + added.length > WATCHED_KEYS_MAX || bytes > WATCHED_BYTES_MAX
    return isTooMuch ? TOO_MANY_WATCHED : added
  }

  watch(keys: readonly ByteString[], revisions: readonly Reply[]): void {
    assert(keys.length === revisions.length)
    for (const [at, key] of keys.entries()) {
      const revision = revisions[at]
      assert(typeof revision === 'number', 'a watched key has a revision')
      this.#watches.set(key, revision)
      this.#watchedBytes += key.length
    }
  }

  #refusal(entry: TableEntry, args: readonly ByteString[]): ErrorReply | null {
    if (entry.info.flags.includes('no_multi')) return NOT_IN_TRANSACTION
    if ((this.#queue as QueuedCommand[]).length >= TRANSACTION_COMMANDS_MAX) return TOO_MANY_COMMANDS
    for (const argument of args) this.#queuedBytes += argument.length
    return this.#queuedBytes > TRANSACTION_BYTES_MAX ? TOO_LARGE : null
  }
}
