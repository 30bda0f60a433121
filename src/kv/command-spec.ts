/** What one row of the command table holds: what is known about the command, and how it runs. */
import type { ByteString } from '../base/bytes.ts'
import type { CommandInfo } from './command-info.ts'
import type { Reply } from './reply.ts'
import type { KvTransaction } from './transaction.ts'

/**
 * Runs the command. `args[0]` is its name; their number fits the arity. Returns undefined when
 * something it must read isn't in memory: the transaction has noted what. It then runs again from
 * the start, so it must not write before it has read everything.
 */
export type KvExecutor = (transaction: KvTransaction, args: readonly ByteString[]) => Reply | undefined

export type KvCommandSpec = {
  readonly info: CommandInfo
  readonly execute: KvExecutor
}
