/**
 * What is known about a command besides how it runs: one table yields the arity check, routing,
 * COMMAND, COMMAND DOCS, ACL categories and docs/reference/commands.md. Names and meanings as in
 * Redis' own command reference (redis.io/docs/latest/develop/reference/key-specs, COMMAND INFO).
 */

export type CommandFlag =
  | 'write'
  | 'readonly'
  | 'denyoom'
  | 'admin'
  | 'pubsub'
  | 'noscript'
  | 'blocking'
  | 'loading'
  | 'stale'
  | 'skip_monitor'
  | 'skip_slowlog'
  | 'asking'
  | 'fast'
  | 'no_auth'
  | 'no_multi'
  | 'movablekeys'
  | 'allow_busy'

/** Positions as in COMMAND INFO: first key, last key (negative: from the end), step. */
export type KeyPositions = { readonly first: number; readonly last: number; readonly step: number }

export type CommandDocs = {
  readonly summary: string
  readonly since: string
  readonly group: 'string' | 'hash' | 'generic' | 'connection' | 'server' | 'transactions' | 'cluster'
  readonly complexity: string
}

export type CommandInfo = {
  /** Lower case. */
  readonly name: string
  /** Number of arguments with the name; negative: at least that many. */
  readonly arity: number
  readonly flags: readonly CommandFlag[]
  /** Null when the command takes no keys. */
  readonly keys: KeyPositions | null
  /** ACL categories beyond those that follow from the flags, as '@string'. */
  readonly categories: readonly string[]
  readonly docs: CommandDocs
}
