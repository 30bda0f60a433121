/** What a connection asks of the key machine. */
import type { ByteString } from '../base/bytes.ts'
import type { WatchedKey } from '../kv/command.ts'
import type { CommandInfo } from '../kv/command-info.ts'

export type ParsedCommand = {
  readonly kind: 'command'
  readonly info: CommandInfo
  /** `args[0]` is the name in lower case; the rest as sent. Their number fits the arity. */
  readonly args: readonly ByteString[]
}

/** What EXEC asks for: the reply is an array of as many replies, a nil array, or an error for all of it. */
export type ParsedTransaction = {
  readonly kind: 'transaction'
  readonly watches: readonly WatchedKey[]
  readonly commands: readonly ParsedCommand[]
}

export type DataRequest = ParsedCommand | ParsedTransaction
