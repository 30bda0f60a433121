/** A subcommand that the key machine carries out, as OBJECT ENCODING: its row there has the full name. */
import assert from 'node:assert/strict'
import { kvCommands } from '../kv/command-table.ts'
import type { RedisCommandSpec } from './redis-command-spec.ts'

export function machineSubcommand(name: string): RedisCommandSpec {
  const spec = kvCommands.get(name)
  assert(spec !== undefined, `the key machine has no command '${name}'`)
  return { info: spec.info, run: null }
}
