/**
 * The two candidates behind one small face, each with the options we would run it with.
 *
 * `rocksdb-native` is a dependency; `classic-level` is not any more: `npm install --no-save classic-level@3.0.0`
 * before measuring it again. Values come back exactly as the library gives them: no checksum of ours.
 */
import { createRequire } from 'node:module'
import { basename, dirname } from 'node:path'
import { bufferToBytes, bytesToBuffer } from '../../src/base/bytes.ts'
import { createRocksEngineStore } from '../../src/env-node/engine/rocksdb-store.ts'

export type Operation = { readonly key: Buffer; readonly value: Buffer | null }

export interface Subject {
  write(operations: readonly Operation[]): Promise<void>
  /** One outcome per key, so that a trial can tell an error of one key from a wrong value of another. */
  getMany(keys: readonly Buffer[]): Promise<readonly (Buffer | null | Error)[]>
  scan(onRow: (key: Buffer, value: Buffer) => void): Promise<number>
  flush(): Promise<void>
  close(): Promise<void>
}

/** `engine` is the product's own, over RocksDB, with what it adds. */
export type SubjectName = 'rocksdb' | 'level' | 'engine'
export const SUBJECT_NAMES: readonly SubjectName[] = ['rocksdb', 'level', 'engine']

const require = createRequire(import.meta.url)

export type SubjectOptions = { readonly writeBufferBytes: number; readonly readErrorPerKey?: boolean }

export async function openSubject(
  name: SubjectName,
  path: string,
  options: SubjectOptions,
): Promise<Subject> {
  if (name === 'engine') return openEngine(path, options)
  return name === 'rocksdb' ? openRocks(path, options) : openLevel(path, options)
}

async function openEngine(path: string, options: SubjectOptions): Promise<Subject> {
  const store = createRocksEngineStore({ directory: dirname(path), flushBytes: options.writeBufferBytes })
  const engine = await store.open(basename(path))
  return {
    write: (operations) =>
      engine.write(
        operations.map(({ key, value }) =>
          value === null
            ? { kind: 'delete', key: bufferToBytes(key) }
            : { kind: 'put', key: bufferToBytes(key), value: bufferToBytes(value) },
        ),
      ),
    async getMany(keys) {
      const bytes = keys.map(bufferToBytes)
      if (options.readErrorPerKey !== true) {
        return (await engine.getMany(bytes)).map((value) => (value === null ? null : bytesToBuffer(value)))
      }
      const reads = bytes.map((key) =>
        engine.getMany([key]).then(
          ([value]) => (typeof value === 'string' ? bytesToBuffer(value) : null),
          (error: Error) => error,
        ),
      )
      return Promise.all(reads)
    },
    async scan(onRow) {
      let rows = 0
      for (let from = ''; ; ) {
        const records = await engine.range({ from, to: '\xff\xff\xff\xff', limit: 1000 })
        for (const { key, value } of records) onRow(bytesToBuffer(key), bytesToBuffer(value))
        rows += records.length
        const last = records.at(-1)
        if (last === undefined) return rows
        from = `${last.key}\0`
      }
    },
    flush: () => engine.persist(),
    close: () => engine.close(),
  }
}

async function openRocks(path: string, options: SubjectOptions): Promise<Subject> {
  const RocksDB = require('rocksdb-native')
  const database = new RocksDB(path, { writeBufferSize: options.writeBufferBytes, tableBlockSize: 4096 })
  await database.ready()
  return {
    async write(operations) {
      const batch = database.write({ capacity: operations.length, autoDestroy: true })
      for (const { key, value } of operations) {
        if (value === null) batch.tryDelete(key)
        else batch.tryPut(key, value)
      }
      await batch.flush()
    },
    async getMany(keys) {
      const batch = database.read({ capacity: keys.length, autoDestroy: true })
      const reads = keys.map((key) => batch.get(key).catch((error: Error) => error))
      batch.tryFlush()
      return Promise.all(reads)
    },
    scan: (onRow) =>
      new Promise((resolve, reject) => {
        let rows = 0
        const iterator = database.iterator({}, { capacity: 256 })
        iterator.on('data', (row: { key: Buffer; value: Buffer }) => {
          rows++
          onRow(row.key, row.value)
        })
        let failure: Error | null = null
        iterator.on('error', (error: Error) => {
          failure = error
        })
        iterator.on('close', () => (failure === null ? resolve(rows) : reject(failure)))
      }),
    flush: () => database.flush(),
    close: () => database.close(),
  }
}

async function openLevel(path: string, options: SubjectOptions): Promise<Subject> {
  const { ClassicLevel } = require('classic-level')
  const database = new ClassicLevel(path, {
    keyEncoding: 'buffer',
    valueEncoding: 'buffer',
    compression: false,
    writeBufferSize: options.writeBufferBytes,
    blockSize: 4096,
    cacheSize: 32 * 1024 * 1024,
  })
  await database.open()
  return {
    async write(operations) {
      const batch = operations.map(({ key, value }) =>
        value === null ? { type: 'del', key } : { type: 'put', key, value },
      )
      await database.batch(batch)
    },
    async getMany(keys) {
      if (options.readErrorPerKey !== true) {
        const values: readonly (Buffer | undefined)[] = await database.getMany(keys)
        return values.map((value) => value ?? null)
      }
      const reads = keys.map((key) =>
        database.get(key).then(
          (value: Buffer | undefined) => value ?? null,
          (error: Error) => error,
        ),
      )
      return Promise.all(reads)
    },
    async scan(onRow) {
      const iterator = database.iterator()
      let rows = 0
      for (;;) {
        const entries: readonly [Buffer, Buffer][] = await iterator.nextv(1000)
        if (entries.length === 0) break
        for (const [key, value] of entries) onRow(key, value)
        rows += entries.length
      }
      await iterator.close()
      return rows
    },
    flush: () => database.compactRange(Buffer.from([0]), Buffer.from([255])),
    close: () => database.close(),
  }
}
