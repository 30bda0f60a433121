/**
 * The contract of a replicated state machine whose data is on disk.
 *
 * A machine is pure and synchronous: it reads through a `MachineView`, and either finishes, with
 * the records it writes and a reply, or says what it needs that is not in memory. The replica
 * fetches that asynchronously and executes the same command again (prefetch and commit, after
 * TigerBeetle). So `execute` may run several times for one log entry and must have no effect of
 * its own: same view, command and context give the same outcome, on every replica, for ever.
 *
 * Keys live in one of two spaces. Keys that begin with `META_PREFIX` are the machine's own
 * bookkeeping; all others are data. `clearsData` removes every data record at once, at no cost
 * per record; bookkeeping stays.
 */
import type { ByteReader } from './byte-reader.ts'
import type { ByteWriter } from './byte-writer.ts'
import type { ByteString } from './bytes.ts'

export const META_PREFIX = '\x00'
/** The partition under which bookkeeping is hashed; data records use their slot, 0–16,383. */
export const META_PARTITION = 16_384
export const PARTITION_COUNT = 16_385

/** Rounds of fetch-and-execute one command may take; more is a bug in the machine. */
export const NEED_ROUNDS_MAX = 64

/** Ascending keys in [from, to), at most `limit` of them; both bounds in the same space. */
export type KeyRange = { readonly from: ByteString; readonly to: ByteString; readonly limit: number }
export type KeyValue = { readonly key: ByteString; readonly value: ByteString }

export interface MachineView {
  /** The value; null when the key is absent; undefined when that isn't known in memory (`need` it). */
  get(key: ByteString): ByteString | null | undefined
  /**
   * The first `limit` records of the range; undefined when that isn't known in memory. A range is
   * answered only if it was needed by exactly these bounds and limit in an earlier round.
   */
  range(range: KeyRange): readonly KeyValue[] | undefined
}

/** `value: null` deletes. `partition` is the record's slot, or META_PARTITION. */
export type Write = {
  readonly partition: number
  readonly key: ByteString
  readonly value: ByteString | null
}

export type Need = {
  readonly kind: 'need'
  readonly keys: readonly ByteString[]
  readonly ranges: readonly KeyRange[]
}
export type Done<Reply> = {
  readonly kind: 'done'
  readonly reply: Reply
  /** In order; a later write to a key replaces an earlier one. */
  readonly writes: readonly Write[]
  /** All data records vanish BEFORE `writes` take effect. */
  readonly clearsData: boolean
}
/**
 * Only from `query`: the answer depends on whether logical time has reached `timeMs`, and the
 * reader's clock says that it should have. The leader advances time through the log and asks again.
 */
export type NeedTime = { readonly kind: 'needTime'; readonly timeMs: number }
/** `value: null`: there is no such record. */
export type Found = { readonly key: ByteString; readonly value: ByteString | null }
/** What a walk reads: all records of a range, ascending; each of some keys, in their order; nothing. */
export type WalkSource =
  | { readonly kind: 'range'; readonly from: ByteString; readonly to: ByteString }
  | { readonly kind: 'keys'; readonly keys: Iterator<ByteString> }
  | { readonly kind: 'nothing' }
/**
 * Only from `query`: the answer takes more work than one turn of the host should. The host freezes the
 * state, asks the same query of it once more, and then calls what that one returned bit by bit, with
 * other work in between. So the pages are of one moment, however long it takes.
 */
export type Walk<Reply> = {
  readonly kind: 'walk'
  readonly source: WalkSource
  /** Shown page by page. Null: go on. */
  readonly take: (page: readonly Found[]) => NeedTime | null
  /** After the last page. Undefined: there is more to do, call it again. */
  readonly finish: () => Reply | undefined
}

export type Context = {
  /** The group's logical time: stamped by the leader, carried in the log, never running backwards. */
  readonly timeMs: number
  /** Drawn by the leader; all randomness of the command derives from it. Unsigned, 32 bits. */
  readonly seed: number
  /** The version every replica has agreed to run (raised by a log entry only). */
  readonly machineVersion: number
}
export type QueryContext = Context & {
  /** The reader's own clock: only ever a reason to ask for `needTime`, never an answer. */
  readonly clockMs: number
}

export interface Machine<Command, Reply> {
  /** The newest version this build can run. */
  readonly version: number
  /** The partition of a record's key: what `Write.partition` says for it. For verifying whole states. */
  partitionOf(key: ByteString): number
  /** Appends the command in its log form; `decode` reads back an equal command and nothing beyond it. */
  encode(command: Command, writer: ByteWriter): void
  decode(reader: ByteReader): Command
  execute(view: MachineView, command: Command, context: Context): Done<Reply> | Need
  query(
    view: MachineView,
    command: Command,
    context: QueryContext,
  ): Done<Reply> | Need | NeedTime | Walk<Reply>
}
