/**
 * The small database every flip is made in: two generations of table files (old versions, deletions
 * and overwrites), then batches that are only in the write-ahead log.
 */
import { Buffer } from 'node:buffer'
import type { Operation, Subject } from './subjects.ts'

export const KEY_COUNT = 3000
export const LOG_BATCHES = 150
const ROWS_PER_LOG_BATCH = 8

export const keyOf = (index: number): Buffer => Buffer.from(`key-${String(index).padStart(6, '0')}`)
const MARKER = Buffer.from('applied')

/** Incompressible and different for each key and version. */
export function valueOf(index: number, version: number): Buffer {
  const value = Buffer.alloc(96)
  let state = (index * 2654435761 + version * 40503 + 1) >>> 0
  for (let at = 0; at < value.length; at++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    value[at] = state >>> 24
  }
  return value
}

/** What must be there after `logBatches` batches of the log part. Odd keys never exist. */
export function expectedState(logBatches: number): Map<string, Buffer> {
  const state = new Map<string, Buffer>()
  for (const batch of [...tableBatches(), ...logPart().slice(0, logBatches)]) {
    for (const { key, value } of batch) {
      if (value === null) state.delete(key.toString())
      else state.set(key.toString(), value)
    }
  }
  return state
}

export function tableBatches(): readonly (readonly Operation[])[] {
  const first: Operation[] = [{ key: MARKER, value: Buffer.from('0') }]
  for (let index = 0; index < KEY_COUNT; index += 2)
    first.push({ key: keyOf(index), value: valueOf(index, 1) })
  const second: Operation[] = []
  for (let index = 0; index < KEY_COUNT; index += 14)
    second.push({ key: keyOf(index), value: valueOf(index, 2) })
  for (let index = 2; index < KEY_COUNT; index += 20) second.push({ key: keyOf(index), value: null })
  return [first, second]
}

export function logPart(): readonly (readonly Operation[])[] {
  const batches: Operation[][] = []
  for (let batch = 1; batch <= LOG_BATCHES; batch++) {
    const operations: Operation[] = [{ key: MARKER, value: Buffer.from(String(batch)) }]
    for (let row = 0; row < ROWS_PER_LOG_BATCH; row++) {
      const index = ((batch * ROWS_PER_LOG_BATCH + row) * 22) % KEY_COUNT
      operations.push({
        key: keyOf(index - (index % 2)),
        value: row === 7 ? null : valueOf(index, 2 + batch),
      })
    }
    batches.push(operations)
  }
  return batches
}

export async function fill(subject: Subject): Promise<void> {
  for (const batch of tableBatches()) {
    await subject.write(batch)
    await subject.flush()
  }
  for (const batch of logPart()) await subject.write(batch)
}

export type Verdict =
  | 'correct'
  | 'prefix'
  | 'error'
  | 'rollback'
  | 'hole'
  | 'missing'
  | 'phantom'
  | 'wrong'
  | 'crash'
  | 'hang'

/** Reads everything, positive and negative, and tells the worst that happened. */
export async function judge(subject: Subject, inLog: boolean): Promise<{ point: Verdict; scan: Verdict }> {
  return { point: await judgePoints(subject, inLog), scan: await judgeScan(subject, inLog) }
}

async function judgePoints(subject: Subject, inLog: boolean): Promise<Verdict> {
  const keys: Buffer[] = [MARKER]
  for (let index = 0; index < KEY_COUNT; index++) keys.push(keyOf(index))
  const answers = await subject.getMany(keys)
  const found = new Map<string, Buffer>()
  const failed = new Set<string>()
  answers.forEach((answer, at) => {
    const key = String(keys[at])
    if (answer instanceof Error) failed.add(key)
    else if (answer !== null) found.set(key, answer)
  })
  return compare(found, failed, inLog)
}

async function judgeScan(subject: Subject, inLog: boolean): Promise<Verdict> {
  const found = new Map<string, Buffer>()
  let previous = ''
  let disorder = false
  try {
    await subject.scan((key, value) => {
      const text = key.toString('latin1')
      if (text <= previous) disorder = true
      previous = text
      found.set(text, value)
    })
  } catch {
    return 'error'
  }
  return disorder ? 'wrong' : compare(found, new Set(), inLog)
}

function compare(found: Map<string, Buffer>, failed: ReadonlySet<string>, inLog: boolean): Verdict {
  const marker = failed.has('applied') ? LOG_BATCHES : Number(found.get('applied') ?? -1)
  if (!Number.isInteger(marker) || marker < -1 || marker > LOG_BATCHES) return 'wrong'
  const damage = difference(expectedState(Math.max(marker, 0)), found, failed)
  if (damage !== null) return inLog && damage !== 'wrong' ? 'hole' : damage
  if (failed.size > 0) return 'error'
  if (marker === LOG_BATCHES) return 'correct'
  return inLog ? 'prefix' : 'rollback'
}

function difference(
  expected: ReadonlyMap<string, Buffer>,
  found: Map<string, Buffer>,
  failed: ReadonlySet<string>,
): Verdict | null {
  let worst: Verdict | null = null
  for (const [key, value] of found) {
    const right = expected.get(key)
    if (right === undefined) worst ??= 'phantom'
    else if (!right.equals(value)) return 'wrong'
  }
  for (const key of expected.keys()) if (!found.has(key) && !failed.has(key)) worst ??= 'missing'
  return worst
}
