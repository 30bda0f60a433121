/**
 * What every `Disk` must do, apart from crashes (which only the simulated one can show):
 * contents, names, errors, and order of completion. Call it inside a test file with a factory that
 * gives an empty data directory.
 */
import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { describe, test } from 'node:test'
import type { Disk, DiskOperation } from '../../src/env/disk.ts'
import { DiskFault } from '../../src/env/disk.ts'

export type DiskUnderTest = { readonly disk: Disk; readonly dispose: () => Promise<void> }

export function describeDisk(name: string, make: () => Promise<DiskUnderTest>): void {
  const check = (title: string, run: (disk: Disk) => Promise<void>): void => {
    test(title, async () => {
      const { disk, dispose } = await make()
      try {
        await run(disk)
      } finally {
        await dispose()
      }
    })
  }
  describe(`${name}: files`, () => describeFiles(check))
  describe(`${name}: names`, () => describeNames(check))
  describe(`${name}: dedicated files`, () => describeDedicated(check))
}

type Check = (title: string, run: (disk: Disk) => Promise<void>) => void

async function expectFault(
  promise: Promise<unknown>,
  operation: DiskOperation,
  errno: string,
): Promise<void> {
  await assert.rejects(promise, (error: unknown) => {
    assert(error instanceof DiskFault, `not a DiskFault: ${String(error)}`)
    assert.equal(error.operation, operation)
    assert.equal(error.errno, errno)
    assert(error.path.length > 0)
    return true
  })
}

async function put(disk: Disk, path: string, text: string): Promise<void> {
  const file = await disk.open(path, 'create')
  await file.writeAndSync([Buffer.from(text)], 0)
  await file.close()
}

async function get(disk: Disk, path: string): Promise<string> {
  const file = await disk.open(path, 'read')
  const bytes = await file.read(0, await file.size())
  await file.close()
  return bytes.toString()
}

function describeFiles(check: Check): void {
  check('what was written is read, at any offset', async (disk) => {
    const file = await disk.open('a', 'create')
    assert.equal(file.path, 'a')
    assert.equal(await file.size(), 0)
    await file.write([Buffer.from('hello'), Buffer.alloc(0), Buffer.from(' world')], 0)
    await file.write([Buffer.from('W')], 6)
    await file.datasync()
    assert.equal((await file.read(0, 11)).toString(), 'hello World')
    assert.equal((await file.read(6, 3)).toString(), 'Wor')
    assert.equal(await file.size(), 11)
    await file.close()
  })
  check('a read gives fewer bytes only at the end of the file', async (disk) => {
    const file = await disk.open('a', 'create')
    await file.write([Buffer.from('12345')], 0)
    assert.equal((await file.read(3, 100)).toString(), '45')
    assert.equal((await file.read(5, 1)).length, 0)
    assert.equal((await file.read(900, 1)).length, 0)
    assert.equal((await file.read(0, 0)).length, 0)
    await file.close()
  })
  check('a gap and a growing truncate read as zeros; a shrinking one forgets', async (disk) => {
    const file = await disk.open('a', 'create')
    await file.write([Buffer.from('x')], 1000)
    assert.deepEqual(await file.read(0, 1000), Buffer.alloc(1000))
    await file.truncate(2000)
    assert.equal(await file.size(), 2000)
    assert.equal((await file.read(1000, 1))[0], 120)
    await file.truncate(10)
    await file.truncate(2000)
    assert.deepEqual(await file.read(0, 2000), Buffer.alloc(2000))
    await file.close()
  })
  check('a large vector of chunks arrives whole and in order', async (disk) => {
    const chunks = Array.from({ length: 3000 }, (_, index) => Buffer.alloc(1 + (index % 700), index % 251))
    const file = await disk.open('a', 'create')
    await file.writeAndSync(chunks, 5)
    assert(Buffer.concat(chunks).equals(await file.read(5, await file.size())))
    await file.close()
  })
  check('writeAndSync of nothing is a sync', async (disk) => {
    const file = await disk.open('a', 'create')
    await file.writeAndSync([], 0)
    assert.equal(await file.size(), 0)
    await file.close()
  })
  check('bytes read belong to the reader', async (disk) => {
    await put(disk, 'a', 'kept')
    const file = await disk.open('a', 'write')
    const bytes = await file.read(0, 4)
    await file.write([Buffer.from('gone')], 0)
    assert.equal(bytes.toString(), 'kept')
    await file.close()
  })
  check('many operations at once do not disturb each other', async (disk) => {
    const file = await disk.open('a', 'create')
    await Promise.all(Array.from({ length: 64 }, (_, at) => file.write([Buffer.alloc(100, at)], at * 100)))
    await Promise.all([file.datasync(), file.datasync()])
    const read = await Promise.all(Array.from({ length: 64 }, (_, at) => file.read(at * 100, 100)))
    for (const [at, bytes] of read.entries()) assert.deepEqual(bytes, Buffer.alloc(100, at))
    await file.close()
  })
}

function describeNames(check: Check): void {
  check('open tells apart what exists', async (disk) => {
    await expectFault(disk.open('a', 'read'), 'open', 'ENOENT')
    await expectFault(disk.open('a', 'write'), 'open', 'ENOENT')
    await put(disk, 'a', 'one')
    await expectFault(disk.open('a', 'create'), 'open', 'EEXIST')
    await expectFault(disk.open('folder/a', 'create'), 'open', 'ENOENT')
    assert.equal(await get(disk, 'a'), 'one')
  })
  check('rename replaces, atomically for later readers', async (disk) => {
    await put(disk, 'a', 'one')
    await put(disk, 'b', 'two')
    await disk.rename('a', 'b')
    await disk.syncDirectory('.')
    assert.equal(await get(disk, 'b'), 'one')
    assert.equal(await disk.exists('a'), false)
    await expectFault(disk.rename('a', 'c'), 'rename', 'ENOENT')
  })
  check('rename moves folders with what is in them', async (disk) => {
    await disk.makeDirectory('from/inner')
    await put(disk, 'from/inner/a', 'one')
    await disk.rename('from', 'to')
    assert.equal(await get(disk, 'to/inner/a'), 'one')
    assert.deepEqual(await disk.list('from'), [])
  })
  check('remove removes files, and only those that exist', async (disk) => {
    await put(disk, 'a', 'one')
    await disk.remove('a')
    assert.equal(await disk.exists('a'), false)
    await expectFault(disk.remove('a'), 'remove', 'ENOENT')
  })
  check('an open file outlives its name', async (disk) => {
    await put(disk, 'a', 'one')
    const file = await disk.open('a', 'read')
    await disk.remove('a')
    assert.equal((await file.read(0, 3)).toString(), 'one')
    await file.close()
  })
  check('folders are made with their parents, listed sorted, removed whole', async (disk) => {
    await disk.makeDirectory('x/y/z')
    await disk.makeDirectory('x/y')
    for (const name of ['b', 'a', 'B', '10', '9']) await put(disk, `x/y/${name}`, name)
    assert.deepEqual(await disk.list('x/y'), ['10', '9', 'B', 'a', 'b', 'z'])
    assert.deepEqual(await disk.list('.'), ['x'])
    assert.deepEqual(await disk.list('nowhere'), [])
    assert.equal(await disk.exists('x/y'), true)
    await disk.syncDirectory('x/y')
    await disk.syncDirectory('.')
    await disk.removeDirectory('x')
    await disk.removeDirectory('x')
    assert.deepEqual(await disk.list('.'), [])
    await expectFault(disk.syncDirectory('x'), 'syncDirectory', 'ENOENT')
  })
  check('free space is known', async (disk) => {
    const space = await disk.freeSpace()
    assert(space.freeBytes >= 0 && space.freeBytes <= space.totalBytes)
    assert(space.freeInodes >= 0)
  })
}

function describeDedicated(check: Check): void {
  check('a dedicated file is a file like any other', async (disk) => {
    const file = await disk.open('log', 'create', { dedicated: true })
    await file.truncate(8192)
    await file.writeAndSync([Buffer.alloc(512, 1), Buffer.alloc(512, 2)], 1024)
    await file.write([Buffer.alloc(10, 3)], 0)
    await file.datasync()
    const bytes = await file.read(0, 8192)
    assert.equal(bytes.length, 8192)
    assert.deepEqual([bytes[0], bytes[10], bytes[1024], bytes[1536], bytes[2048]], [3, 0, 1, 2, 0])
    await file.close()
    const reader = await disk.open('log', 'read')
    assert.equal((await reader.read(1024, 1))[0], 1)
    await reader.close()
  })
  check('several dedicated files at once', async (disk) => {
    const files = await Promise.all(
      ['a', 'b', 'c'].map((name) => disk.open(name, 'create', { dedicated: true })),
    )
    await Promise.all(files.map((file, at) => file.writeAndSync([Buffer.alloc(70_000, at + 1)], 0)))
    for (const [at, file] of files.entries()) {
      const bytes = await file.read(69_999, 10)
      assert.deepEqual([...bytes], [at + 1])
      await file.close()
    }
  })
  check('a dedicated open of what does not exist fails as usual', async (disk) => {
    await expectFault(disk.open('a', 'write', { dedicated: true }), 'open', 'ENOENT')
  })
}
