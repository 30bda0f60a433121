/** The machine's disk against the suite for every disk, and what only a real one shows. */
import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { mkdtemp, readFile, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { describeDisk } from '../../test/conformance/disk-suite.ts'
import { DiskFault, type DiskFile } from '../env/disk.ts'
import { createNodeDisk, type NodeDisk, writeFully } from './node-disk.ts'

async function makeDisk(): Promise<{ disk: NodeDisk; directory: string; dispose: () => Promise<void> }> {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-disk-'))
  const disk = createNodeDisk({ directory })
  return {
    disk,
    directory,
    dispose: async () => {
      await disk.close()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

async function withDisk(run: (disk: NodeDisk, directory: string) => Promise<void>): Promise<void> {
  const { disk, directory, dispose } = await makeDisk()
  try {
    await run(disk, directory)
  } finally {
    await dispose()
  }
}

const faultOf = (errno: string) => (error: unknown) => {
  assert(error instanceof DiskFault, `not a DiskFault: ${String(error)}`)
  assert.equal(error.errno, errno)
  return true
}

describeDisk('node disk', makeDisk)

describe('paths', () => {
  const bad = ['../x', 'a/../x', '/etc/passwd', './x', 'a//b', 'a/', '..', 'a\0b']
  test('that could leave the directory are refused by every operation', () =>
    withDisk(async (disk) => {
      for (const path of bad) {
        const refused = faultOf('EINVAL')
        await assert.rejects(disk.open(path, 'create'), refused)
        await assert.rejects(disk.rename(path, 'x'), refused)
        await assert.rejects(disk.rename('x', path), refused)
        await assert.rejects(disk.remove(path), refused)
        await assert.rejects(disk.makeDirectory(path), refused)
        await assert.rejects(disk.removeDirectory(path), refused)
        await assert.rejects(disk.list(path), refused)
        await assert.rejects(disk.exists(path), refused)
        await assert.rejects(disk.syncDirectory(path), refused)
      }
    }))

  test('the data directory itself can be listed and synced but not removed', () =>
    withDisk(async (disk) => {
      await (await disk.open('b', 'create')).close()
      await (await disk.open('a', 'create')).close()
      assert.deepEqual(await disk.list(''), ['a', 'b'])
      await disk.syncDirectory('')
      await assert.rejects(disk.removeDirectory(''), faultOf('EINVAL'))
    }))

  test('an absent data directory is said by its errno', async () => {
    const disk = createNodeDisk({ directory: join(tmpdir(), 'holdfast-no-such-directory') })
    await assert.rejects(disk.open('a', 'create'), faultOf('ENOENT'))
    await assert.rejects(disk.freeSpace(), faultOf('ENOENT'))
  })
})

describe('free space', () => {
  test('is plausible', () =>
    withDisk(async (disk) => {
      const space = await disk.freeSpace()
      assert(space.totalBytes > 0 && space.freeBytes <= space.totalBytes)
      assert(space.freeInodes > 0)
    }))
})

describe('a full device', () => {
  for (const dedicated of [false, true]) {
    test(`fails writes with ENOSPC (dedicated: ${dedicated}) and nothing else`, () =>
      withDisk(async (disk, directory) => {
        await symlink('/dev/full', join(directory, 'full'))
        const full = await disk.open('full', 'write', { dedicated })
        const good = await disk.open('good', 'create', { dedicated })
        await assert.rejects(full.write([Buffer.from('x')], 0), faultOf('ENOSPC'))
        await assert.rejects(full.writeAndSync([Buffer.alloc(3_000_000)], 0), (error: unknown) => {
          assert(error instanceof DiskFault)
          assert.equal(error.operation, 'write')
          assert.equal(error.path, 'full')
          return error.errno === 'ENOSPC'
        })
        await good.writeAndSync([Buffer.from('still fine')], 0)
        assert.equal((await good.read(0, 100)).toString(), 'still fine')
        await full.close()
        await good.close()
      }))
  }
})

describe('the log lane', () => {
  test('keeps the order of writes to one place', () =>
    withDisk(async (disk, directory) => {
      const file = await disk.open('log', 'create', { dedicated: true })
      const writes: Promise<void>[] = []
      for (let round = 0; round < 500; round++) {
        const bytes = Buffer.from(String(round).padStart(8, '0'))
        writes.push(round % 50 === 0 ? file.writeAndSync([bytes], 0) : file.write([bytes], 0))
      }
      await Promise.all(writes)
      assert.equal(await readFile(join(directory, 'log'), 'utf8'), '00000499')
      await file.close()
    }))

  test('serves several files at once, whatever the sizes and cuts', () =>
    withDisk(async (disk, directory) => {
      const sizes = [0, 1, 511, 4096, 70_000, 1_048_576, 1_048_577, 5_000_000]
      const files: DiskFile[] = []
      for (const index of sizes.keys())
        files.push(await disk.open(`f${index}`, 'create', { dedicated: true }))
      const contents = sizes.map((size, index) => Buffer.alloc(size, `pattern ${index} of ${size};`))
      await Promise.all(files.map((file, index) => file.writeAndSync(cut(contents[index] as Buffer, 7), 0)))
      for (const [index, content] of contents.entries()) {
        assert(
          (await readFile(join(directory, `f${index}`))).equals(content),
          `file of ${content.length} bytes`,
        )
      }
      for (const file of files) await file.close()
    }))

  test('copies the bytes before the call settles, and more of them than its memory holds', () =>
    withDisk(async (disk, directory) => {
      const file = await disk.open('log', 'create', { dedicated: true })
      const piece = 900_000
      const writes = Array.from({ length: 40 }, (_, index) =>
        file.write([Buffer.alloc(piece, index + 1)], index * piece),
      )
      await Promise.all(writes)
      const bytes = await readFile(join(directory, 'log'))
      assert.equal(bytes.length, 40 * piece)
      for (let index = 0; index < 40; index++) {
        assert.equal(bytes[index * piece], index + 1)
        assert.equal(bytes[(index + 1) * piece - 1], index + 1)
      }
      await file.close()
    }))

  test('answers each call after the ones before it', () =>
    withDisk(async (disk) => {
      const file = await disk.open('log', 'create', { dedicated: true })
      const order: number[] = []
      const calls = Array.from({ length: 200 }, (_, index) =>
        file.write([Buffer.alloc(index * 100)], 0).then(() => order.push(index)),
      )
      await Promise.all(calls)
      // Empty writes settle at once; all others in order.
      assert.deepEqual(
        order.filter((index) => index > 0),
        Array.from({ length: 199 }, (_, index) => index + 1),
      )
      await file.close()
    }))

  test('closes a file only when its trips are over, and refuses later ones', () =>
    withDisk(async (disk, directory) => {
      const file = await disk.open('log', 'create', { dedicated: true })
      const write = file.writeAndSync([Buffer.alloc(2_000_000, 7)], 0)
      await file.close()
      await write
      assert.equal((await readFile(join(directory, 'log'))).length, 2_000_000)
      await assert.rejects(file.write([Buffer.from('x')], 0), faultOf('EBADF'))
      await assert.rejects(file.datasync(), faultOf('EBADF'))
    }))

  test('tells when a trip begins and when it is over, well or not', () =>
    withDisk(async (_, directory) => {
      const counts = { begun: 0, finished: 0 }
      const disk = createNodeDisk({
        directory,
        dedicatedProgress: { logBegun: () => counts.begun++, logFinished: () => counts.finished++ },
      })
      await symlink('/dev/full', join(directory, 'full'))
      const log = await disk.open('log', 'create', { dedicated: true })
      const full = await disk.open('full', 'write', { dedicated: true })
      const write = log.writeAndSync([Buffer.from('x')], 0)
      assert.deepEqual(counts, { begun: 1, finished: 0 })
      await write
      await assert.rejects(full.write([Buffer.from('x')], 0), faultOf('ENOSPC'))
      await log.close()
      await full.close()
      assert.deepEqual(counts, { begun: 2, finished: 2 })
      await disk.close()
    }))

  test('after the disk is closed every trip fails', () =>
    withDisk(async (disk) => {
      const file = await disk.open('log', 'create', { dedicated: true })
      await file.write([Buffer.from('x')], 0)
      await disk.close()
      await assert.rejects(file.write([Buffer.from('x')], 0), faultOf('EIO'))
      await file.close()
    }))
})

describe('writeFully', () => {
  test('goes on after writes that took fewer bytes than they were given', async () => {
    for (const taken of [1, 2, 3, 5, 100]) {
      const target = Buffer.alloc(20)
      const handle = {
        async writev(chunks: readonly Uint8Array[], position: number) {
          const bytes = Buffer.concat(chunks).subarray(0, taken)
          bytes.copy(target, position)
          return { bytesWritten: bytes.length }
        },
      }
      const chunks = ['ab', '', 'cdefg', 'h', 'ij'].map((text) => Buffer.from(text))
      await writeFully(handle, chunks, 3)
      assert.equal(target.toString('latin1'), '\0\0\0abcdefghij\0\0\0\0\0\0\0', `taken ${taken}`)
    }
  })

  test('does not try for ever when nothing is taken', async () => {
    const handle = { writev: async () => ({ bytesWritten: 0 }) }
    await assert.rejects(writeFully(handle, [Buffer.from('x')], 0), { code: 'EIO' })
  })
})

function cut(bytes: Buffer, parts: number): Buffer[] {
  const step = Math.max(1, Math.ceil(bytes.length / parts))
  const chunks: Buffer[] = []
  for (let start = 0; start < bytes.length; start += step) chunks.push(bytes.subarray(start, start + step))
  return chunks
}
