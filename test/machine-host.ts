/**
 * The smallest host of a machine: all records in one sorted in-memory map. Runs the contract of
 * `src/base/machine.ts` to the letter: rounds of need, writes in order, `clearsData`.
 *
 * `isCold` makes the view forget everything at the beginning of each command, so that every read has to
 * be asked for: the outcome must be the same as when all is in memory.
 */
import assert from 'node:assert/strict'
import type { ByteString } from '../src/base/bytes.ts'
import {
  type Context,
  type Done,
  type Found,
  type KeyRange,
  type KeyValue,
  type Machine,
  type MachineView,
  META_PARTITION,
  META_PREFIX,
  NEED_ROUNDS_MAX,
  type Need,
  type NeedTime,
  type QueryContext,
  type Walk,
  type WalkSource,
  type Write,
} from '../src/base/machine.ts'

export type MachineHost<Command, Reply> = {
  /** As a log entry: applies the writes. */
  execute(command: Command, context: Context): Done<Reply>
  query(command: Command, context: QueryContext): Done<Reply> | NeedTime
  /** All records in key order. */
  records(): readonly KeyValue[]
  /** Rounds of need of the last command. */
  readonly rounds: number
}

export type MachineHostOptions = {
  readonly isCold?: boolean
}

const WALK_PAGE_RECORDS = 100
const WALK_FINISH_CALLS_MAX = 10_000

export function createMachineHost<Command, Reply>(
  machine: Machine<Command, Reply>,
  options: MachineHostOptions = {},
): MachineHost<Command, Reply> {
  const records = new Map<ByteString, ByteString>()
  let rounds = 0

  function run<Outcome extends { readonly kind: string }>(
    step: (view: MachineView) => Outcome | Need,
  ): Exclude<Outcome, Need> {
    const view = makeView(records, options.isCold ?? false)
    for (rounds = 0; rounds <= NEED_ROUNDS_MAX; rounds++) {
      const outcome = step(view)
      if (outcome.kind !== 'need') return outcome as Exclude<Outcome, Need>
      view.provide(outcome as Need)
    }
    throw new Error(`more than ${NEED_ROUNDS_MAX} rounds`)
  }

  function sorted(): readonly KeyValue[] {
    return [...records.keys()].sort().map((key) => ({ key, value: records.get(key) as ByteString }))
  }

  function show(source: WalkSource): readonly Found[] {
    if (source.kind === 'nothing') return []
    if (source.kind === 'range') return sorted().filter(({ key }) => key >= source.from && key < source.to)
    const found: Found[] = []
    for (let next = source.keys.next(); next.done !== true; next = source.keys.next())
      found.push({ key: next.value, value: records.get(next.value) ?? null })
    return found
  }

  function walk({ source, take, finish }: Walk<Reply>): Done<Reply> | NeedTime {
    const shown = show(source)
    for (let at = 0; at < shown.length; at += WALK_PAGE_RECORDS) {
      const needTime = take(shown.slice(at, at + WALK_PAGE_RECORDS))
      if (needTime !== null) return needTime
    }
    for (let calls = 0; calls < WALK_FINISH_CALLS_MAX; calls++) {
      const reply = finish()
      if (reply !== undefined) return { kind: 'done', reply, writes: [], clearsData: false }
    }
    throw new Error('a walk does not end')
  }

  return {
    execute(command, context) {
      const done = run<Done<Reply>>((view) => machine.execute(view, command, context))
      applyWrites(records, done, (key) => machine.partitionOf(key))
      return done
    },
    query(command, context) {
      const asked = run<Done<Reply> | NeedTime | Walk<Reply>>((view) => machine.query(view, command, context))
      const outcome = asked.kind === 'walk' ? walk(asked) : asked
      if (outcome.kind === 'done') assert(outcome.writes.length === 0 && !outcome.clearsData)
      return outcome
    },
    records: sorted,
    get rounds() {
      return rounds
    },
  }
}

function applyWrites<Reply>(
  records: Map<ByteString, ByteString>,
  done: Done<Reply>,
  partitionOf: (key: ByteString) => number,
): void {
  if (done.clearsData) {
    for (const key of records.keys()) if (!key.startsWith(META_PREFIX)) records.delete(key)
  }
  for (const write of done.writes) {
    checkWrite(write, partitionOf)
    if (write.value === null) records.delete(write.key)
    else records.set(write.key, write.value)
  }
}

function checkWrite(write: Write, partitionOf: (key: ByteString) => number): void {
  assert(write.partition === partitionOf(write.key), 'a write names another partition than its key')
  assert((write.partition === META_PARTITION) === write.key.startsWith(META_PREFIX))
}

type FetchingView = MachineView & { provide(need: Need): void }

function makeView(records: ReadonlyMap<ByteString, ByteString>, isCold: boolean): FetchingView {
  const knownKeys = new Set<ByteString>()
  const knownRanges = new Map<string, readonly KeyValue[]>()
  return {
    get(key) {
      if (isCold && !knownKeys.has(key)) return undefined
      return records.get(key) ?? null
    },
    range: (range) => knownRanges.get(rangeName(range)),
    provide(need) {
      assert(need.keys.length + need.ranges.length > 0, 'a need of nothing')
      for (const key of need.keys) knownKeys.add(key)
      for (const range of need.ranges) {
        assert(!knownRanges.has(rangeName(range)), 'a range was needed twice')
        assert(range.from.startsWith(META_PREFIX) === range.to.startsWith(META_PREFIX))
        knownRanges.set(rangeName(range), readRange(records, range))
      }
    },
  }
}

function readRange(records: ReadonlyMap<ByteString, ByteString>, range: KeyRange): readonly KeyValue[] {
  const keys = [...records.keys()].filter((key) => key >= range.from && key < range.to).sort()
  return keys.slice(0, range.limit).map((key) => ({ key, value: records.get(key) as ByteString }))
}

function rangeName(range: KeyRange): string {
  return `${range.limit} ${range.from.length} ${range.from}${range.to}`
}
