/** What the server can say about its commands (COMMAND, the reference page), without how they run. */
import type { ByteString } from '../base/bytes.ts'
import type { CommandInfo } from '../kv/command-info.ts'

export type CatalogEntry = {
  readonly info: CommandInfo
  /** Named `container|subcommand`, in the order of the reference page. */
  readonly subcommands: readonly CommandInfo[]
}

export interface CommandCatalog {
  /** Sorted by name. */
  readonly entries: readonly CatalogEntry[]
  /** In any case; also `container|subcommand`. */
  describe(name: ByteString): CatalogEntry | null
}
