/**
 * The named limits of the product: every queue, message, loop and retry has one, and this is
 * where those live that more than one layer must agree on. A limit of one file stands in that
 * file. What an operator may set is the default here and an option in `cli`.
 *
 * The numbers below are ordered so that what is let in can always be carried on: a command fits
 * into an entry, an entry into a message, a message into what may be in flight.
 */
import assert from 'node:assert/strict'

const KiB = 1024
const MiB = 1024 * KiB

// ---- Keys and values ---------------------------------------------------------------------------

/** A key is part of every record, index block and cache entry that concerns it. */
export const KEY_BYTES_MAX = 64 * KiB
/** Default of `maxValueBytes`. Redis allows 512 MiB; a value travels through the log in one entry. */
export const VALUE_BYTES_DEFAULT = 16 * MiB
/** What `maxValueBytes` can be raised to; a message must still hold the entry. */
export const VALUE_BYTES_MAX = 64 * MiB
/** Arguments of one command, its name included. */
export const COMMAND_ARGUMENTS_MAX = 1024 * 1024
/** All arguments of one command together, beyond the largest value alone. */
export const COMMAND_OVERHEAD_BYTES_MAX = MiB

// ---- Clients -----------------------------------------------------------------------------------

/** Default of `maxConnections`. Each costs a file handle and some 20 KiB. */
export const CONNECTIONS_DEFAULT = 10_000
/** What a client that has not said AUTH may send: arguments per command, bytes per argument. */
export const UNAUTHENTICATED_ARGUMENTS_MAX = 10
export const UNAUTHENTICATED_ARGUMENT_BYTES_MAX = 16 * KiB
/** What may wait to be sent to such a client before it is disconnected. */
export const UNAUTHENTICATED_OUTPUT_BYTES_MAX = KiB
/** Commands of one connection that are being executed; more stay unread in its socket. */
export const PIPELINE_COMMANDS_MAX = 4096
/** Commands between MULTI and EXEC. */
export const TRANSACTION_COMMANDS_MAX = 65_536
/** A client that does not read its replies is disconnected beyond this. */
export const CLIENT_OUTPUT_BYTES_MAX = 256 * MiB
/** Reading from a connection pauses while this much waits to be sent to it. */
export const CLIENT_OUTPUT_PAUSE_BYTES = MiB
/** The part of a command that has arrived without its end, over all connections of the node. */
export const CLIENT_INPUT_TOTAL_BYTES_MAX = 512 * MiB

// ---- Consensus and peers -----------------------------------------------------------------------

/** One command of a state machine in its log form. */
export const ENTRY_BYTES_MAX = VALUE_BYTES_MAX + COMMAND_OVERHEAD_BYTES_MAX
/** An append message is closed when it holds this much; a larger single entry travels alone. */
export const APPEND_MESSAGE_BYTES_TARGET = MiB
/** A peer that announces a longer frame is disconnected before anything is allocated for it. */
export const PEER_FRAME_BYTES_MAX = ENTRY_BYTES_MAX + MiB
/** Append messages and bytes on their way to one follower without an answer. */
export const INFLIGHT_MESSAGES_MAX = 256
export const INFLIGHT_BYTES_MAX = 128 * MiB
/** Proposed and not yet committed, per group; beyond it proposals are refused as overload. */
export const UNCOMMITTED_BYTES_MAX = 128 * MiB
/** Linearizable reads of one group that wait for their index. */
export const PENDING_READS_MAX = 65_536
/** Requests a node forwards to one other node and waits for. */
export const FORWARDED_REQUESTS_MAX = 16_384
/** Chunks of a snapshot on its way to a replica; one is in flight at a time. */
export const SNAPSHOT_CHUNK_BYTES = MiB
/** Queued to one peer; beyond it messages are dropped, which consensus allows and repairs. */
export const PEER_OUTPUT_BYTES_MAX = 256 * MiB
/** Replies a session keeps, so that a repeated request gets its first answer again. */
export const SESSION_REPLIES_MAX = 128

// ---- Storage -----------------------------------------------------------------------------------

/** Waiting to be written to the log; beyond it appends are refused as overload. */
export const LOG_QUEUE_BYTES_MAX = 256 * MiB
/** A log segment is closed when it holds this much. */
export const LOG_SEGMENT_BYTES = 64 * MiB
/** Default of `maxMemoryBytes`: caches, and writes that are not yet in the engine. */
export const MEMORY_BYTES_DEFAULT = 256 * MiB
/** Free space below which writes are refused before the file system refuses them. */
export const FREE_SPACE_BYTES_MIN = 64 * MiB
/** How often storage is checked, and probed while it is degraded. */
export const HEALTH_CHECK_INTERVAL_MS = 60_000
/** Failed probes in a row after which storage waits for an operator; 0: never. */
export const HEALTH_RETRIES_MAX_DEFAULT = 0

// ---- Retries -----------------------------------------------------------------------------------

/** Attempts, first pause, longest pause, growth: defaults for a dependency without its own. */
export const RETRY_ATTEMPTS_DEFAULT = 3
export const RETRY_FIRST_DELAY_MS = 1_000
export const RETRY_DELAY_MS_MAX = 30_000
export const RETRY_FACTOR = 2
/** How long a gateway goes on for one request, election and forwarding included. */
export const GATEWAY_DEADLINE_MS_DEFAULT = 10_000

assert(VALUE_BYTES_DEFAULT <= VALUE_BYTES_MAX)
assert(VALUE_BYTES_MAX + KEY_BYTES_MAX <= ENTRY_BYTES_MAX, 'the largest record must fit into an entry')
assert(ENTRY_BYTES_MAX < PEER_FRAME_BYTES_MAX, 'the largest entry must fit into a message')
assert(PEER_FRAME_BYTES_MAX <= INFLIGHT_BYTES_MAX, 'the largest message must fit into what may be in flight')
assert(ENTRY_BYTES_MAX <= UNCOMMITTED_BYTES_MAX, 'the largest entry must be acceptable to an idle group')
assert(ENTRY_BYTES_MAX <= LOG_QUEUE_BYTES_MAX, 'the largest entry must fit into the queue of the log')
assert(PEER_FRAME_BYTES_MAX <= PEER_OUTPUT_BYTES_MAX, 'the largest message must fit into the queue of a peer')
