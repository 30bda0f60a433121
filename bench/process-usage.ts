/** What processes have used, from Linux' /proc: processor time to 10 ms, resident memory. A process that is gone is an error. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'

/** USER_HZ: the same on every platform that Node supports under Linux. */
const TICKS_PER_SECOND = 100
const MICROSECONDS_PER_TICK = 1_000_000 / TICKS_PER_SECOND
/** utime, stime, and of children that have ended: cutime, cstime; counted behind the name, which may have spaces. */
const FIRST_TIME_FIELD = 11
const TIME_FIELDS = 4

/** User and system time of all of them together. */
export function cpuMicroseconds(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + ticksOf(pid) * MICROSECONDS_PER_TICK, 0)
}

export function residentMib(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + memoryMib(pid, 'VmRSS'), 0)
}

/** The most that was ever resident. */
export function peakMib(pid: number): number {
  return memoryMib(pid, 'VmHWM')
}

function memoryMib(pid: number, what: 'VmRSS' | 'VmHWM'): number {
  const found = new RegExp(`^${what}:\\s+(\\d+) kB$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
  assert(found !== null, `process ${pid} has no resident memory: it has ended`)
  return Number(found[1]) / 1_024
}

function ticksOf(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  const times = fields.slice(FIRST_TIME_FIELD, FIRST_TIME_FIELD + TIME_FIELDS).map(Number)
  assert(times.length === TIME_FIELDS && times.every(Number.isSafeInteger))
  return times.reduce((sum, ticks) => sum + ticks, 0)
}
