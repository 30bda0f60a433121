/** Random lives of the log; what must hold is in sim/log/log-schedule.ts. */
import { test } from 'node:test'
import { LOG_SCHEDULES, type LogSchedule, runLogSchedule } from '../../../sim/log/log-schedule.ts'

/** `LOG_SEEDS=20 node --test …` runs twenty times as many. */
const SEEDS_FACTOR = Number(process.env['LOG_SEEDS'] ?? 1)

async function runSchedules(seeds: number, schedule: LogSchedule): Promise<void> {
  for (let seed = 0; seed < seeds * SEEDS_FACTOR; seed++) await runLogSchedule(seed, schedule)
}

test('crashes while appending: the acknowledged is there, nothing is invented', () =>
  runSchedules(60, LOG_SCHEDULES.appending))

test('crashes amid rotation and garbage collection', () => runSchedules(50, LOG_SCHEDULES.rotating))

test('failing writes, syncs and names, with reopening and crashes', () =>
  runSchedules(80, LOG_SCHEDULES.failing))

test('a disk that fails often', () => runSchedules(40, LOG_SCHEDULES.failingOften))
