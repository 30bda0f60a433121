/**
 * Talks to a key machine in a test as a client would: words in, reply out, with a clock that the
 * test moves. Reads go through `query`, all else through the log.
 */
import type { ByteString } from '../src/base/bytes.ts'
import type { KvCommand, MaintenanceCommand, SessionTag, WatchedKey } from '../src/kv/command.ts'
import { kvCommands } from '../src/kv/command-table.ts'
import { createKvMachine, KV_MACHINE_VERSION, type KvMachineOptions } from '../src/kv/machine.ts'
import type { Reply } from '../src/kv/reply.ts'
import { createMachineHost, type MachineHost, type MachineHostOptions } from './machine-host.ts'

export const TEST_START_MS = 1_700_000_000_000

export type KvClient = {
  readonly host: MachineHost<KvCommand, Reply>
  /** Logical time; the test may set it forward. */
  timeMs: number
  call(...args: readonly ByteString[]): Reply
  /** Through the log even when it only reads. */
  log(args: readonly ByteString[], session?: SessionTag): Reply
  /** MULTI … EXEC through the log. */
  transact(commands: readonly (readonly ByteString[])[], watches?: readonly WatchedKey[]): Reply
  maintain(command: MaintenanceCommand): Reply
}

export function createKvClient(options: MachineHostOptions & KvMachineOptions = {}): KvClient {
  const host = createMachineHost(createKvMachine(options), options)
  const client: KvClient = {
    host,
    timeMs: TEST_START_MS,
    call(...args) {
      const isRead = kvCommands.get(args[0] ?? '')?.info.flags.includes('readonly') ?? false
      if (!isRead) return client.log(args)
      const outcome = host.query(
        { kind: 'client', args, session: null },
        { ...context(client), clockMs: client.timeMs },
      )
      if (outcome.kind !== 'done') throw new Error('a query with a right clock asked for time')
      return outcome.reply
    },
    log(args, session) {
      return host.execute({ kind: 'client', args, session: session ?? null }, context(client)).reply
    },
    transact(commands, watches = []) {
      return host.execute({ kind: 'transaction', watches, commands, session: null }, context(client)).reply
    },
    maintain(command) {
      return host.execute(command, context(client)).reply
    },
  }
  return client
}

function context(client: KvClient): { timeMs: number; seed: number; machineVersion: number } {
  return { timeMs: client.timeMs, seed: 1, machineVersion: KV_MACHINE_VERSION }
}

/** One line, as the golden scripts in `test/scripts/kv` write replies. */
export function showReply(reply: Reply): string {
  if (reply === null) return '(nil)'
  if (typeof reply === 'string') return showBytes(reply)
  if (typeof reply === 'number' || typeof reply === 'bigint') return String(reply)
  if (!('kind' in reply)) return `[${reply.map(showReply).join(', ')}]`
  switch (reply.kind) {
    case 'status':
      return reply.text
    case 'error':
      return `(error) ${reply.text}`
    case 'map':
      return `{${reply.entries.map(([key, value]) => `${showReply(key)}: ${showReply(value)}`).join(', ')}}`
    case 'pairs':
      return showReply(reply.entries)
    default:
      return JSON.stringify(reply)
  }
}

function showBytes(bytes: ByteString): string {
  let shown = '"'
  for (let index = 0; index < bytes.length; index++) {
    const byte = bytes.charCodeAt(index)
    const char = bytes[index] as string
    if (char === '"' || char === '\\') shown += `\\${char}`
    else if (byte < 0x20 || byte > 0x7e) shown += `\\x${byte.toString(16).padStart(2, '0')}`
    else shown += char
  }
  return `${shown}"`
}

/** Words separated by spaces; `"…"` with `\"`, `\\` and `\xhh` for everything else. */
export function parseWords(line: string): readonly ByteString[] {
  const words: ByteString[] = []
  for (const match of line.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)) {
    const quoted = match[1]
    words.push(quoted === undefined ? (match[2] as string) : unquote(quoted))
  }
  return words
}

function unquote(text: string): ByteString {
  return text.replaceAll(/\\x([0-9a-f]{2})|\\(.)/g, (_, hex: string | undefined, char: string) =>
    hex === undefined ? char : String.fromCharCode(Number.parseInt(hex, 16)),
  )
}
