/** WATCH in terms of the key machine's own commands: one that reads, and one that writes for keys that don't exist. */
import assert from 'node:assert/strict'
import type { ByteString } from '../base/bytes.ts'
import { kvCommands } from '../kv/command-table.ts'
import type { Reply } from '../kv/reply.ts'
import type { ParsedCommand } from './data-request.ts'

type Execute = (command: ParsedCommand, respond: (reply: Reply) => void) => void

/** Responds with one revision per key, or with what went wrong. */
export function watchKeys(
  keys: readonly ByteString[],
  execute: Execute,
  respond: (reply: Reply) => void,
): void {
  execute(commandOf('holdfast.revisions', keys), (revisions) => {
    if (!isArray(revisions)) {
      respond(revisions)
      return
    }
    assert(revisions.length === keys.length)
    const missing = keys.filter((_key, at) => revisions[at] === null)
    if (missing.length === 0) {
      respond(revisions)
      return
    }
    execute(commandOf('holdfast.watch', missing), (traced) => {
      if (!isArray(traced)) {
        respond(traced)
        return
      }
      assert(traced.length === missing.length)
      let next = 0
      respond(revisions.map((revision) => revision ?? (traced[next++] as Reply)))
    })
  })
}

function commandOf(name: string, keys: readonly ByteString[]): ParsedCommand {
  const spec = kvCommands.get(name)
  assert(spec !== undefined)
  return { kind: 'command', info: spec.info, args: [name, ...keys] }
}

function isArray(reply: Reply): reply is readonly Reply[] {
  return Array.isArray(reply)
}
