/**
 * Kills, a full disk, and rough handling, for each candidate.
 *
 *   node --expose-gc tools/engine-prototype/faults.ts kill|full|cycles|inflight|workers NAME [DIRECTORY]
 *
 * `full` wants DIRECTORY on a small file system of its own, for example
 * `mount -t tmpfs -o size=32m tmpfs /mnt/small`; it fills it, frees 8 MB, and looks what it takes to go on.
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { type Operation, openSubject, type Subject, type SubjectName } from './subjects.ts'

const ROWS_PER_BATCH = 50
const OPTIONS = { writeBufferBytes: 1024 * 1024 }
const MARKER = Buffer.from('applied')
const [mode, name, place] = process.argv.slice(2) as [string, SubjectName, string | undefined]
const base = place ?? mkdtempSync(join(tmpdir(), `faults-${name}-`))
const path = join(base, 'db')

function batchOf(number: number): Operation[] {
  const operations: Operation[] = [{ key: MARKER, value: Buffer.from(String(number)) }]
  for (let row = 0; row < ROWS_PER_BATCH; row++) {
    operations.push({
      key: Buffer.from(`k${number}-${row}`),
      value: Buffer.alloc(200, (number * 31 + row) & 0xff),
    })
  }
  return operations
}

/** The last applied batch, and how many rows of the batches up to it are not as written. */
async function inspect(subject: Subject): Promise<{ applied: number; bad: number }> {
  const applied = Number(String((await subject.getMany([MARKER]))[0] ?? 0))
  let bad = 0
  for (let number = 1; number <= applied; number++) {
    const rows = batchOf(number).slice(1)
    const found = await subject.getMany(rows.map(({ key }) => key))
    rows.forEach(({ value }, at) => {
      const answer = found[at]
      if (!Buffer.isBuffer(answer) || !value?.equals(answer)) bad++
    })
  }
  return { applied, bad }
}

async function writer(): Promise<void> {
  const subject = await openSubject(name, path, OPTIONS)
  const { applied } = await inspect(subject)
  for (let number = applied + 1; ; number++) {
    await subject.write(batchOf(number))
    process.stdout.write(`${number}\n`)
  }
}

async function kill(): Promise<void> {
  for (let round = 0; round < 12; round++) {
    const child = spawn(process.execPath, [import.meta.filename, 'writer', name, base], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let output = ''
    child.stdout.on('data', (chunk: Buffer) => (output += chunk))
    await delay(700 + round * 61)
    child.kill('SIGKILL')
    await new Promise((resolve) => child.on('close', resolve))
    const acknowledged = Number(output.trim().split('\n').at(-1))
    const from = performance.now()
    const subject = await openSubject(name, path, OPTIONS)
    const openMs = Math.round(performance.now() - from)
    console.log({ round, acknowledged, openMs, ...(await inspect(subject)) })
    await subject.close()
  }
}

const told = (error: unknown): string => {
  const { message, cause } = error as { message: string; cause?: { message?: string; code?: string } }
  return `${message}${cause === undefined ? '' : ` <- ${cause.code ?? ''} ${cause.message ?? ''}`}`
}

async function attempt(what: string, act: () => Promise<unknown>): Promise<boolean> {
  try {
    await act()
    console.log(`${what}: ok`)
    return true
  } catch (error) {
    console.log(`${what}: ${told(error).slice(0, 220)}`)
    return false
  }
}

async function full(): Promise<void> {
  const ballast = join(base, 'ballast')
  writeFileSync(ballast, Buffer.alloc(8 * 1024 * 1024))
  let subject = await openSubject(name, path, OPTIONS)
  let acknowledged = 0
  try {
    for (;;) {
      await subject.write(batchOf(acknowledged + 1))
      acknowledged++
    }
  } catch (error) {
    console.log(`write failed after ${acknowledged} batches: ${told(error)}`)
  }
  await attempt('read while full', () => subject.getMany([MARKER]))
  await attempt('write while full', () => subject.write(batchOf(acknowledged + 1)))
  await attempt('reopen while full', async () => {
    await attempt('close while full', () => subject.close())
    subject = await openSubject(name, path, OPTIONS)
  })
  rmSync(ballast)
  console.log('8 MB freed')
  for (const waitMs of [0, 6000]) {
    await delay(waitMs)
    if (await attempt(`write ${waitMs} ms later`, () => subject.write(batchOf(acknowledged + 1))))
      acknowledged++
  }
  await attempt('close', () => subject.close())
  await attempt('open', async () => {
    subject = await openSubject(name, path, OPTIONS)
    console.log({ acknowledged, ...(await inspect(subject)) })
  })
  await attempt('write', () => subject.write(batchOf(acknowledged + 1)))
  await attempt('close', () => subject.close())
}

async function cycles(): Promise<void> {
  for (let cycle = 1; cycle <= 500; cycle++) {
    const subject = await openSubject(name, path, OPTIONS)
    await subject.write(batchOf(cycle))
    if (cycle % 100 === 0) {
      globalThis.gc?.()
      const megabytes = Math.round(process.memoryUsage.rss() / 1e6)
      console.log({ cycle, megabytes, files: readdirSync(path).length, ...(await inspect(subject)) })
    }
    await subject.close()
  }
}

/** Closes while writes, reads, a scan and a flush are under way, and collects garbage in between. */
async function inflight(): Promise<void> {
  const outcomes: Record<string, number> = {}
  const count = (what: string, operation: Promise<unknown>) =>
    operation.then(
      () => (outcomes[`${what} ok`] = (outcomes[`${what} ok`] ?? 0) + 1),
      () => (outcomes[`${what} refused`] = (outcomes[`${what} refused`] ?? 0) + 1),
    )
  for (let round = 0; round < 200; round++) {
    const subject = await openSubject(name, path, OPTIONS)
    const operations: Promise<unknown>[] = []
    for (let number = 1; number <= 20; number++) {
      operations.push(count('write', subject.write(batchOf(number))))
      operations.push(count('read', subject.getMany([MARKER, Buffer.from('k1-1'), Buffer.from('none')])))
      if (number % 7 === 0) globalThis.gc?.()
    }
    operations.push(
      count('flush', subject.flush()),
      count(
        'scan',
        subject.scan(() => {}),
      ),
    )
    await count('close', subject.close())
    globalThis.gc?.()
    await Promise.all(operations)
  }
  console.log(outcomes)
}

/** The library in three threads at once, one of them terminated in the middle of its work. */
async function workers(): Promise<void> {
  const own = await openSubject(name, path, OPTIONS)
  for (let round = 0; round < 5; round++) {
    const threads = [0, 1].map(
      (index) =>
        new Worker(import.meta.filename, { argv: ['workerBody', name, join(base, `worker-${index}`)] }),
    )
    for (let number = 1; number <= 50; number++) await own.write(batchOf(number))
    await delay(150)
    for (const thread of threads) console.log('terminated with', await thread.terminate())
  }
  console.log(await inspect(own))
  await own.close()
}

async function workerBody(): Promise<void> {
  const subject = await openSubject(name, path, OPTIONS)
  for (let number = 1; ; number++) await subject.write(batchOf(number))
}

const modes: Record<string, () => Promise<void>> = {
  kill,
  writer,
  full,
  cycles,
  inflight,
  workers,
  workerBody,
}
const run = modes[mode]
if (run === undefined) throw new Error(`one of ${Object.keys(modes).join(', ')}`)
await run()
if (place === undefined) rmSync(base, { recursive: true, force: true })
