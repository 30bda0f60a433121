/**
 * What the engine promises about damage, on real files: bytes flipped in every kind of file, files that
 * vanished, and a process killed while it writes (this file is also that process).
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { cp, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { type Engine, EngineFault, type EngineOperation, type EngineStore } from '../../env/engine.ts'
import { createRocksEngineStore } from './rocksdb-store.ts'

const ALL = { from: '', to: '\xff\xff\xff\xff', limit: 1_000_000 }
const ROWS_PER_BATCH = 50
const FLIPS = 108
const SEED = 42

const put = (key: string, value: string): EngineOperation => ({ kind: 'put', key, value })

/** Batch `number` of an endless sequence: all of it follows from the number. */
function batchOf(number: number): readonly EngineOperation[] {
  const operations = [put('applied', String(number))]
  for (let row = 0; row < ROWS_PER_BATCH; row++) {
    const key = `k${String((number * 37 + row * 101) % 2000).padStart(4, '0')}`
    operations.push(
      row % 9 === 8 ? { kind: 'delete', key } : put(key, `${number}:${row}:`.padEnd(90, String(row))),
    )
  }
  return operations
}

const statesKnown = new Map<number, ReadonlyMap<string, string>>()

function stateAfter(batches: number): ReadonlyMap<string, string> {
  const known = statesKnown.get(batches)
  if (known !== undefined) return known
  const state = new Map<string, string>()
  for (let number = 1; number <= batches; number++) {
    for (const operation of batchOf(number)) {
      if (operation.kind === 'put') state.set(operation.key, operation.value)
      else if (operation.kind === 'delete') state.delete(operation.key)
    }
  }
  statesKnown.set(batches, state)
  return state
}

async function assertIsPrefix(engine: Engine): Promise<number> {
  const applied = Number((await engine.getMany(['applied']))[0] ?? 0)
  const found = new Map((await engine.range(ALL)).map(({ key, value }) => [key, value]))
  const expected = stateAfter(applied)
  assert.equal(found.size, expected.size)
  for (const [key, value] of expected) assert.equal(found.get(key), value)
  return applied
}

if (process.argv[2] === 'writer') await writeForEver(process.argv[3] as string)
else tests()

async function writeForEver(directory: string): Promise<void> {
  const engine = await createRocksEngineStore({ directory, flushBytes: 256 * 1024 }).open('g')
  const [applied] = await engine.getMany(['applied'])
  for (let number = Number(applied ?? 0) + 1; ; number++) {
    await engine.write(batchOf(number))
    process.stdout.write(`${number}\n`)
  }
}

/** Resolves with the last acknowledged batch, after the writer was killed once it acknowledged `batches`. */
function killWriterAfter(directory: string, batches: number): Promise<number> {
  const environment = { ...process.env }
  delete environment['NODE_TEST_CONTEXT']
  const child = spawn(process.execPath, [import.meta.filename, 'writer', directory], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: environment,
  })
  return new Promise((resolve, reject) => {
    let output = ''
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString('latin1')
      if (output.split('\n').length > batches) child.kill('SIGKILL')
    })
    child.on('close', (_code, signal) => {
      const lines = output.split('\n').slice(0, -1)
      if (signal === 'SIGKILL') resolve(Number(lines.at(-1)))
      else reject(new Error(`the writer ended by itself after ${lines.length} batches`))
    })
  })
}

async function withFolder(run: (directory: string, store: EngineStore) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-damage-'))
  try {
    await run(directory, createRocksEngineStore({ directory, flushBytes: 1024 * 1024 }))
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

/** Two tables, then batches that are only in the write-ahead log, as after a kill. */
async function makeTemplate(directory: string, store: EngineStore): Promise<number> {
  const engine = await store.open('live')
  let number = 0
  for (const count of [60, 40]) {
    for (let batch = 0; batch < count; batch++) await engine.write(batchOf(++number))
    await engine.persist()
  }
  for (let batch = 0; batch < 20; batch++) await engine.write(batchOf(++number))
  await cp(join(directory, 'live'), join(directory, 'g'), { recursive: true })
  await engine.close()
  return number
}

async function flip(path: string, at: number, xor: number): Promise<void> {
  const bytes = await readFile(path)
  bytes[at] = (bytes[at] as number) ^ xor
  await writeFile(path, bytes)
}

const fileIn = async (folder: string, pattern: RegExp): Promise<string> => {
  const file = (await readdir(folder)).find((name) => pattern.test(name))
  assert(file !== undefined)
  return file
}

const isCorruption = (pattern: RegExp) => (error: unknown) =>
  error instanceof EngineFault && error.kind === 'corruption' && pattern.test(error.path)

function tests(): void {
  describe('an engine whose process is killed', killTests)
  describe('an engine whose machine lost power', powerTests)
  describe('an engine with damaged files', () => {
    flipTests()
    manifestTests()
    verifyTests()
  })
  describe('an engine whose disk fails', failureTests)
  describe('a store that crashed while it destroyed an engine', destroyTests)
  describe('an engine under load', loadTests)
}

function killTests(): void {
  it('holds a prefix of the batches, none of the acknowledged ones missing', () =>
    withFolder(async (directory, store) => {
      for (const batches of [1, 40, 250]) {
        const acknowledged = await killWriterAfter(directory, batches)
        const engine = await store.open('g')
        const applied = await assertIsPrefix(engine)
        assert(
          applied >= acknowledged && applied <= acknowledged + 1,
          `${applied} applied, ${acknowledged} acknowledged`,
        )
        await engine.verify()
        await engine.close()
      }
    }))
}

function powerTests(): void {
  it('holds all that a returned persist covered, when nothing else of its log is left', () =>
    withFolder(async (directory, store) => {
      const engine = await store.open('live')
      let number = 0
      for (const count of [1, 30, 90]) {
        for (let batch = 0; batch < count; batch++) await engine.write(batchOf(++number))
        await engine.persist()
        const persisted = number
        for (let batch = 0; batch < 5; batch++) await engine.write(batchOf(++number))
        await cp(join(directory, 'live'), join(directory, 'g'), { recursive: true })
        for (const file of await readdir(join(directory, 'g'))) {
          if (file.endsWith('.log')) await writeFile(join(directory, 'g', file), '')
        }
        const after = await store.open('g')
        assert.equal(await assertIsPrefix(after), persisted)
        await after.close()
        await store.destroy('g')
      }
      await engine.close()
    }))
}

function flipTests(): void {
  it(`answers right, or with a fault, or with a prefix when its log is hit (${FLIPS} flips, seed ${SEED})`, () =>
    withFolder(async (directory, store) => {
      const batches = await makeTemplate(directory, store)
      await rename(join(directory, 'g'), join(directory, 'template'))
      let state = SEED
      const random = (bound: number) => {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0
        return Math.floor((state / 2 ** 32) * bound)
      }
      const files = (await readdir(join(directory, 'template'))).filter((file) => !/^(LOCK|LOG)/.test(file))
      const seen = { fault: 0, right: 0, prefix: 0 }
      for (let trial = 0; trial < FLIPS; trial++) {
        await cp(join(directory, 'template'), join(directory, 'g'), { recursive: true })
        const file = files[trial % files.length] as string
        const { length } = await readFile(join(directory, 'g', file))
        await flip(join(directory, 'g', file), random(length), 1 << random(8))
        seen[await tryDamaged(store, file, batches)]++
        await store.destroy('g')
      }
      assert(seen.fault > FLIPS / 4 && seen.right > 0 && seen.prefix > 0, JSON.stringify(seen))
    }))
}

function manifestTests(): void {
  it('refuses a MANIFEST whose last record changed its length, which RocksDB takes for cut short', () =>
    withFolder(async (directory, store) => {
      await makeTemplate(directory, store)
      const manifest = await fileIn(join(directory, 'g'), /^MANIFEST/)
      const path = join(directory, 'g', manifest)
      const bytes = await readFile(path)
      let at = 0
      for (let next = 0; next < bytes.length; next += 7 + bytes.readUInt16LE(next + 4)) at = next
      await flip(path, at + 5, 0x10)
      await assert.rejects(store.open('g'), isCorruption(/MANIFEST/))
      // Without the witness the record's own checksum still tells.
      await rm(join(directory, 'g', 'WITNESS'))
      await assert.rejects(store.open('g'), isCorruption(/MANIFEST/))
    }))

  it('refuses a MANIFEST that lost its end at a record boundary', () =>
    withFolder(async (directory, store) => {
      await makeTemplate(directory, store)
      const path = join(directory, 'g', await fileIn(join(directory, 'g'), /^MANIFEST/))
      const bytes = await readFile(path)
      let at = 0
      for (let next = 0; next < bytes.length; next += 7 + bytes.readUInt16LE(next + 4)) at = next
      await writeFile(path, bytes.subarray(0, at))
      await assert.rejects(store.open('g'), isCorruption(/MANIFEST/))
    }))

  it('refuses a folder whose CURRENT is gone, and does without its witness', () =>
    withFolder(async (directory, store) => {
      const batches = await makeTemplate(directory, store)
      await flip(join(directory, 'g', 'WITNESS'), 20, 1)
      const engine = await store.open('g')
      assert.equal(await assertIsPrefix(engine), batches)
      await engine.close()
      await rm(join(directory, 'g', 'CURRENT'))
      await assert.rejects(store.open('g'), isCorruption(/CURRENT/))
    }))
}

function verifyTests(): void {
  it('finds any changed byte of a table and of the log when it verifies', () =>
    withFolder(async (directory, store) => {
      const engine = await store.open('g')
      for (let number = 1; number <= 60; number++) await engine.write(batchOf(number))
      await engine.persist()
      for (let number = 61; number <= 70; number++) await engine.write(batchOf(number))
      await engine.verify()
      for (const pattern of [/\.sst$/, /\.log$/]) {
        const file = await fileIn(join(directory, 'g'), pattern)
        const { length } = await readFile(join(directory, 'g', file))
        for (const part of [0, 0.3, 0.8, 0.97, 0.999]) {
          const at = Math.floor(length * part)
          await flip(join(directory, 'g', file), at, 0x04)
          await assert.rejects(engine.verify(), isCorruption(pattern), `${file} at ${at}`)
          await flip(join(directory, 'g', file), at, 0x04)
        }
      }
      // A table that a compaction is still writing has no end yet: that is no damage.
      const table = join(directory, 'g', await fileIn(join(directory, 'g'), /\.sst$/))
      const half = (await readFile(table)).subarray(0, 5000)
      await writeFile(join(directory, 'g', '999999.sst'), half)
      await engine.verify()
      await writeFile(join(directory, 'g', '999999.sst'), await readFile(table))
      await engine.verify()
      await engine.close()
    }))
}

function failureTests(): void {
  it('takes no more writes, reads on, and has every acknowledged batch when it is opened again', () =>
    withFolder(async (directory, store) => {
      const engine = await store.open('g')
      for (let number = 1; number <= 30; number++) await engine.write(batchOf(number))
      await rename(join(directory, 'g'), join(directory, 'away'))
      const isGone = (error: unknown) =>
        error instanceof EngineFault && error.kind === 'io' && error.errno === 'ENOENT'
      await assert.rejects(engine.persist(), isGone)
      await rename(join(directory, 'away'), join(directory, 'g'))
      await assert.rejects(engine.write(batchOf(31)), isGone)
      await assert.rejects(engine.persist(), isGone)
      assert.equal(await assertIsPrefix(engine), 30)
      await engine.close()
      const again = await store.open('g')
      assert.equal(await assertIsPrefix(again), 30)
      await again.write(batchOf(31))
      await again.close()
    }))
}

function destroyTests(): void {
  it('removes what is left of it, and nothing else', () =>
    withFolder(async (directory, store) => {
      for (const name of ['g', 'h']) await (await store.open(name)).close()
      await rename(join(directory, 'g'), join(directory, '.destroyed-g'))
      assert.deepEqual(await store.list(), ['h'])
      assert.deepEqual(await readdir(directory), ['h'])
    }))
}

function loadTests(): void {
  it('persists on its own account, and keeps its folder tidy over many starts', () =>
    withFolder(async (directory) => {
      const store = createRocksEngineStore({ directory, flushBytes: 64 * 1024 })
      let number = 0
      for (let round = 0; round < 6; round++) {
        const engine = await store.open('g')
        assert.equal(await assertIsPrefix(engine), number)
        const writes: Promise<void>[] = []
        for (let batch = 0; batch < 50; batch++) writes.push(engine.write(batchOf(++number)))
        await Promise.all(writes)
        await engine.verify()
        const keys = Array.from({ length: 2000 }, (_, index) => `k${String(index).padStart(4, '0')}`)
        const expected = stateAfter(number)
        assert.deepEqual(
          await engine.getMany(keys),
          keys.map((key) => expected.get(key) ?? null),
        )
        await engine.close()
      }
      const files = await readdir(join(directory, 'g'))
      assert(files.length < 30, `${files.length} files: ${files.join(' ')}`)
    }))
}

/** What became of an engine with one byte of `file` changed. Wrong answers fail the test. */
async function tryDamaged(
  store: EngineStore,
  file: string,
  batches: number,
): Promise<'fault' | 'right' | 'prefix'> {
  let engine: Engine
  try {
    engine = await store.open('g')
  } catch (error) {
    assert(error instanceof EngineFault && error.kind === 'corruption', `${file}: ${String(error)}`)
    return 'fault'
  }
  try {
    const applied = await assertIsPrefix(engine)
    const expected = stateAfter(applied)
    const keys = Array.from({ length: 2000 }, (_, index) => `k${String(index).padStart(4, '0')}`)
    assert.deepEqual(
      await engine.getMany(keys),
      keys.map((key) => expected.get(key) ?? null),
    )
    if (applied === batches) return 'right'
    assert(file.endsWith('.log') && applied >= 100, `${file}: ${applied} of ${batches} batches`)
    return 'prefix'
  } catch (error) {
    assert(error instanceof EngineFault && error.kind === 'corruption', `${file}: ${String(error)}`)
    return 'fault'
  } finally {
    await engine.close().catch((error: unknown) => assert(error instanceof EngineFault))
  }
}
