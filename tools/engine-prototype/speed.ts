/**
 * Batch writes, batch reads, iteration, memory and time on the main thread, for both candidates on the
 * same data. `node --expose-gc tools/engine-prototype/speed.ts [rocksdb|level] [rows]`
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay, performance } from 'node:perf_hooks'
import { type Operation, openSubject, SUBJECT_NAMES, type SubjectName } from './subjects.ts'

const VALUE = 'x'.repeat(112)
const READ_BATCH_KEYS = 100
const READS = 100_000

const names = SUBJECT_NAMES.filter((name) => !process.argv[2] || process.argv[2] === name)
const rows = Number(process.argv[3] ?? 300_000)

type Figure = {
  readonly krowsPerSecond: number
  readonly mainCpuUsPerRow: number
  readonly processCpuUsPerRow: number
  readonly worstDelayMs: number
}

async function timed(count: number, run: () => Promise<void>): Promise<Figure> {
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  const loop = performance.eventLoopUtilization()
  const cpu = process.cpuUsage()
  const begin = performance.now()
  await run()
  const elapsedMs = performance.now() - begin
  const used = process.cpuUsage(cpu)
  const active = performance.eventLoopUtilization(loop).active
  delay.disable()
  return {
    krowsPerSecond: Math.round(count / elapsedMs),
    mainCpuUsPerRow: round((active * 1000) / count),
    processCpuUsPerRow: round((used.user + used.system) / count),
    worstDelayMs: round(delay.max / 1e6),
  }
}

const round = (value: number): number => Math.round(value * 100) / 100

/** From byte strings, as the product has them: the conversion to buffers is part of the cost. */
const keyOf = (index: number): string => `key-${String((index * 7919) % rows).padStart(12, '0')}`

async function measure(name: SubjectName): Promise<void> {
  const path = join(mkdtempSync(join(tmpdir(), `speed-${name}-`)), 'db')
  let subject = await openSubject(name, path, { writeBufferBytes: 16 * 1024 * 1024 })
  const figures: Record<string, Figure> = {}
  for (const size of [1000, 4000]) {
    figures[`write, batches of ${size}`] = await timed(rows, async () => {
      for (let at = 0; at < rows; at += size) {
        const operations: Operation[] = []
        for (let row = at; row < Math.min(at + size, rows); row++) {
          operations.push({
            key: Buffer.from(keyOf(row), 'latin1'),
            value: Buffer.from(VALUE + (row % 10), 'latin1'),
          })
        }
        await subject.write(operations)
      }
    })
  }
  figures['flush or compact'] = await timed(rows, () => subject.flush())
  await subject.close()
  subject = await openSubject(name, path, { writeBufferBytes: 16 * 1024 * 1024 })
  for (const inFlight of [1, 4]) {
    figures[`getMany ${READ_BATCH_KEYS}, ${inFlight} in flight`] = await timed(READS, async () => {
      const worker = async (lane: number) => {
        for (let batch = 0; batch < READS / READ_BATCH_KEYS / inFlight; batch++) {
          const keys: Buffer[] = []
          for (let key = 0; key < READ_BATCH_KEYS; key++) {
            keys.push(Buffer.from(keyOf((batch * 9973 + key * 101 + lane * 31) % rows), 'latin1'))
          }
          const values = await subject.getMany(keys)
          for (const value of values) {
            if (!Buffer.isBuffer(value) || value.latin1Slice(0, value.length).length !== 113)
              throw new Error('missing')
          }
        }
      }
      await Promise.all(Array.from({ length: inFlight }, (_, lane) => worker(lane)))
    })
  }
  figures['scan'] = await timed(rows, async () => {
    let bytes = 0
    const found = await subject.scan((key, value) => {
      bytes += key.latin1Slice(0, key.length).length + value.latin1Slice(0, value.length).length
    })
    if (found !== rows || bytes === 0) throw new Error(`scan found ${found} rows`)
  })
  globalThis.gc?.()
  console.log(`\n${name}: ${rows} rows, RSS ${Math.round(process.memoryUsage.rss() / 1e6)} MB`)
  console.table(figures)
  await subject.close()
  rmSync(path, { recursive: true, force: true })
}

for (const name of names) await measure(name)
