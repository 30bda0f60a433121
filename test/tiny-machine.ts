/**
 * The smallest machine that makes use of the whole machine contract: cold keys, dependent rounds,
 * ranges, bookkeeping, clearing, logical time and seeds. Every reply tells what was read, so that a
 * wrong read or an entry applied twice shows.
 */
import type { ByteReader } from '../src/base/byte-reader.ts'
import { MalformedBytes } from '../src/base/byte-reader.ts'
import type { ByteWriter } from '../src/base/byte-writer.ts'
import type { ByteString } from '../src/base/bytes.ts'
import {
  type Context,
  type Done,
  type KeyRange,
  type Machine,
  type MachineView,
  META_PARTITION,
  type Need,
  type NeedTime,
  type QueryContext,
  type Walk,
  type Write,
} from '../src/base/machine.ts'

export type TinyCommand =
  | { readonly kind: 'get'; readonly key: ByteString }
  /** All records of the prefix, at most `limit`. */
  | { readonly kind: 'list'; readonly prefix: ByteString; readonly limit: number }
  | { readonly kind: 'set'; readonly key: ByteString; readonly value: ByteString }
  | { readonly kind: 'delete'; readonly key: ByteString }
  /** Reads, and writes what it read with `value` behind it: executing twice shows. */
  | { readonly kind: 'append'; readonly key: ByteString; readonly value: ByteString }
  /** Follows values as keys, one round of need per step, and sets the last key to `value`. */
  | { readonly kind: 'follow'; readonly key: ByteString; readonly value: ByteString }
  /** Deletes every record of the prefix. */
  | { readonly kind: 'drop'; readonly prefix: ByteString; readonly limit: number }
  | { readonly kind: 'clear'; readonly key: ByteString; readonly value: ByteString }
  /** Counts in the bookkeeping. */
  | { readonly kind: 'count' }
  | { readonly kind: 'time' }
  /** As a query: answered once logical time has reached `timeMs`, if the clock has. */
  | { readonly kind: 'after'; readonly timeMs: number }
  | { readonly kind: 'throw' }
  /** As a query: all records of the prefix, as a walk that waits for `timeMs` when the clock has reached it. */
  | { readonly kind: 'tour'; readonly prefix: ByteString; readonly timeMs: number }

export const COUNT_KEY: ByteString = '\x00count'
const STEPS_MAX = 8
const KINDS = [
  'get',
  'list',
  'set',
  'delete',
  'append',
  'follow',
  'drop',
  'clear',
  'count',
  'time',
  'after',
  'throw',
  'tour',
] as const

type Fields = {
  kind: TinyCommand['kind']
  key: string
  value: string
  prefix: string
  limit: number
  timeMs: number
}

export function createTinyMachine(version = 1): Machine<TinyCommand, string> {
  return {
    version,
    partitionOf,
    encode,
    decode,
    execute,
    query: (view, command, context) => query(view, command, context),
  }
}

export function partitionOf(key: ByteString): number {
  return key.startsWith('\x00') ? META_PARTITION : (key.charCodeAt(0) * 61 + key.length) % 16_384
}

function encode(command: TinyCommand, writer: ByteWriter): void {
  const { key = '', value = '', prefix = '', limit = 0, timeMs = 0 } = command as Partial<Fields>
  writer.u8(KINDS.indexOf(command.kind))
  for (const text of [key, value, prefix]) writer.byteString(text)
  writer.varint(limit)
  writer.varint(timeMs)
}

function decode(reader: ByteReader): TinyCommand {
  const kind = KINDS[reader.u8()]
  if (kind === undefined) throw new MalformedBytes('no such command')
  const [key, value, prefix] = [reader.byteString(), reader.byteString(), reader.byteString()]
  return { kind, key, value, prefix, limit: reader.varint(), timeMs: reader.varint() } as TinyCommand
}

function query(
  view: MachineView,
  command: TinyCommand,
  context: QueryContext,
): Done<string> | Need | NeedTime | Walk<string> {
  if (command.kind === 'tour') return tour(command, context)
  if (command.kind === 'after') {
    const isDue = context.clockMs >= command.timeMs
    if (isDue && context.timeMs < command.timeMs) return { kind: 'needTime', timeMs: command.timeMs }
    return done(context.timeMs >= command.timeMs ? 'reached' : 'not yet')
  }
  return execute(view, command, context)
}

function tour(
  { prefix, timeMs }: TinyCommand & { readonly kind: 'tour' },
  context: QueryContext,
): Walk<string> {
  const found: string[] = []
  let isReady = false
  return {
    kind: 'walk',
    source: { kind: 'range', from: prefix, to: `${prefix}\xff` },
    take(page) {
      for (const { key, value } of page) found.push(`${key}=${value}`)
      return context.timeMs < timeMs && context.clockMs >= timeMs ? { kind: 'needTime', timeMs } : null
    },
    finish() {
      if (isReady) return found.join(' ')
      isReady = true
      return undefined
    },
  }
}

function execute(view: MachineView, command: TinyCommand, context: Context): Done<string> | Need {
  switch (command.kind) {
    case 'get': {
      const value = view.get(command.key)
      return value === undefined ? needKey(command.key) : done(value ?? 'nothing')
    }
    case 'list':
    case 'drop': {
      const range = prefixRange(command)
      const found = view.range(range)
      if (found === undefined) return { kind: 'need', keys: [], ranges: [range] }
      const reply = found.map(({ key, value }) => `${key}=${value}`).join(' ')
      if (command.kind === 'list') return done(reply)
      return done(
        reply,
        found.map(({ key }) => write(key, null)),
      )
    }
    case 'set':
      return done('set', [write(command.key, command.value)])
    case 'delete':
      return done('deleted', [write(command.key, null)])
    case 'append': {
      const before = view.get(command.key)
      if (before === undefined) return needKey(command.key)
      const after = (before ?? '') + command.value
      return done(after, [write(command.key, after)])
    }
    case 'follow':
      return follow(view, command.key, command.value)
    case 'clear':
      return { ...done('cleared', [write(command.key, command.value)]), clearsData: true }
    case 'count': {
      const before = view.get(COUNT_KEY)
      if (before === undefined) return needKey(COUNT_KEY)
      const after = String(Number(before ?? 0) + 1)
      return done(after, [write(COUNT_KEY, after)])
    }
    case 'time':
    case 'after':
      return done(`${context.timeMs} ${context.seed}`)
    case 'tour':
    case 'throw':
      throw new Error('this command always throws')
  }
}

function follow(view: MachineView, start: ByteString, value: ByteString): Done<string> | Need {
  let key = start
  for (let step = 0; step < STEPS_MAX; step++) {
    const next = view.get(key)
    if (next === undefined) return needKey(key)
    if (next === null || next.length === 0 || next.startsWith('\x00')) break
    key = next
  }
  return done(`set ${key}`, [write(key, value)])
}

function prefixRange({ prefix, limit }: { readonly prefix: string; readonly limit: number }): KeyRange {
  return { from: prefix, to: `${prefix}\xff`, limit }
}

function needKey(key: ByteString): Need {
  return { kind: 'need', keys: [key], ranges: [] }
}

function write(key: ByteString, value: ByteString | null): Write {
  return { partition: partitionOf(key), key, value }
}

function done(reply: string, writes: readonly Write[] = []): Done<string> {
  return { kind: 'done', reply, writes, clearsData: false }
}
