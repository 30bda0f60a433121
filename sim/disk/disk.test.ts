import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { describe, test } from 'node:test'
import type { Disk } from '../../src/env/disk.ts'
import { DiskFault } from '../../src/env/disk.ts'
import { describeDisk } from '../../test/conformance/disk-suite.ts'
import { createSimRandom } from '../world/random.ts'
import type { SimDiskCall } from './disk.ts'
import { createSimDisk } from './disk.ts'

describeDisk('simulated disk', async () => {
  const sim = createSimDisk({ random: createSimRandom(1), capacityBytes: 1 << 30 })
  return { disk: sim.disk(), dispose: async () => sim.kill() }
})

async function synced(disk: Disk, path: string, bytes: Buffer): Promise<void> {
  const file = await disk.open(path, 'create')
  await file.writeAndSync([bytes], 0)
  await file.close()
  await disk.syncDirectory('.')
}

/** Runs `act` on fresh disks and collects what `see` says after a crash. */
async function outcomes(
  act: (disk: Disk) => Promise<void>,
  see: (bytes: Buffer | null) => string,
  runs: number = 200,
): Promise<Set<string>> {
  const seen = new Set<string>()
  for (let seed = 0; seed < runs; seed++) {
    const sim = createSimDisk({ random: createSimRandom(seed) })
    await act(sim.disk())
    sim.crash()
    seen.add(see(sim.paths().includes('a') ? sim.bytes('a') : null))
  }
  return seen
}

const firstBytes = (bytes: Buffer | null): string =>
  bytes === null ? 'no file' : [0, 512, 1024].map((at) => bytes[at] ?? '-').join(' ')

describe('a crash', () => {
  test('keeps what was synced, exactly', async () => {
    const seen = await outcomes((disk) => synced(disk, 'a', Buffer.alloc(1536, 7)), firstBytes)
    assert.deepEqual([...seen], ['7 7 7'])
  })

  test('keeps any subset of unsynced sectors, and never a mix within one', async () => {
    const seen = await outcomes(
      async (disk) => {
        await synced(disk, 'a', Buffer.alloc(1536, 1))
        const file = await disk.open('a', 'write')
        await file.write([Buffer.alloc(1536, 2)], 0)
      },
      (bytes) => {
        for (let at = 0; at < 1536; at += 512) {
          assert(bytes?.subarray(at, at + 512).every((byte) => byte === bytes[at]))
        }
        return firstBytes(bytes)
      },
    )
    assert.equal(seen.size, 8, [...seen].join('; '))
  })

  test('may keep an older unsynced version of a sector', async () => {
    const seen = await outcomes(async (disk) => {
      const file = await disk.open('a', 'create')
      await disk.syncDirectory('.')
      await file.truncate(512)
      await file.datasync()
      for (const value of [1, 2, 3]) await file.write([Buffer.alloc(512, value)], 0)
    }, firstBytes)
    assert.deepEqual([...seen].sort(), ['0 - -', '1 - -', '2 - -', '3 - -'])
  })

  test('may lose a file whose folder was not synced, even if its bytes were', async () => {
    const seen = await outcomes(async (disk) => {
      await (await disk.open('a', 'create')).writeAndSync([Buffer.alloc(1536, 7)], 0)
    }, firstBytes)
    assert.deepEqual([...seen].sort(), ['7 7 7', 'no file'])
  })

  test('undoes a rename as a whole, and may bring a removed file back', async () => {
    const seen = await outcomes(async (disk) => {
      await synced(disk, 'a', Buffer.alloc(1536, 1))
      await synced(disk, 'b', Buffer.alloc(1536, 2))
      await disk.rename('b', 'a')
    }, firstBytes)
    assert.deepEqual([...seen].sort(), ['1 1 1', '2 2 2'])
    const removed = await outcomes(async (disk) => {
      await synced(disk, 'a', Buffer.alloc(1536, 1))
      await disk.remove('a')
    }, firstBytes)
    assert.deepEqual([...removed].sort(), ['1 1 1', 'no file'])
  })

  test('loses the folder of a file with the file, unless the parent was synced', async () => {
    for (let seed = 0; seed < 50; seed++) {
      const sim = createSimDisk({ random: createSimRandom(seed) })
      const disk = sim.disk()
      await disk.makeDirectory('x')
      await (await disk.open('x/a', 'create')).writeAndSync([Buffer.from('1')], 0)
      await disk.syncDirectory('x')
      if (seed % 2 === 0) await disk.syncDirectory('.')
      sim.crash()
      if (seed % 2 === 0) assert.deepEqual(sim.paths(), ['x/a'])
      for (const path of sim.paths()) assert(await sim.disk().exists(path))
    }
  })

  test('a truncate that was synced stays', async () => {
    const seen = await outcomes(
      async (disk) => {
        await synced(disk, 'a', Buffer.alloc(1536, 1))
        const file = await disk.open('a', 'write')
        await file.truncate(600)
        await file.datasync()
      },
      (bytes) => String(bytes?.length),
    )
    assert.deepEqual([...seen], ['600'])
  })

  test('the dead incarnation hears nothing and changes nothing', async () => {
    const sim = createSimDisk({ random: createSimRandom(5) })
    const old = sim.disk()
    await synced(old, 'a', Buffer.from('one'))
    const file = await old.open('a', 'write')
    let settled = 0
    const count = (): void => void settled++
    file.write([Buffer.from('two')], 0).then(count, count)
    sim.kill()
    file.write([Buffer.from('six')], 0).then(count, count)
    old.remove('a').then(count, count)
    old.open('b', 'create').then(count, count)
    for (let turn = 0; turn < 20; turn++) await Promise.resolve()
    assert.equal(settled, 0)
    assert.equal(sim.bytes('a').toString(), 'two')
    assert.deepEqual(await sim.disk().list('.'), ['a'])
  })

  test('is the same for the same seed', async () => {
    const run = async (seed: number): Promise<string> => {
      const sim = createSimDisk({ random: createSimRandom(seed) })
      const file = await sim.disk().open('a', 'create')
      await sim.disk().syncDirectory('.')
      for (let at = 0; at < 40; at++) await file.write([Buffer.alloc(512, at)], at * 512)
      sim.crash()
      return sim.bytes('a').toString('hex')
    }
    assert.equal(await run(11), await run(11))
    assert.notEqual(await run(11), await run(12))
  })
})

describe('faults', () => {
  const failing = (operation: string, errno: string) => {
    let hasFailed = false
    return (call: SimDiskCall): { kind: 'error'; errno: string } | null => {
      if (hasFailed || call.operation !== operation) return null
      hasFailed = true
      return { kind: 'error', errno }
    }
  }

  test('a failed datasync is not made good by one that works', async () => {
    const seen = await outcomes2(async (sim) => {
      const file = await sim.disk().open('a', 'write')
      await file.write([Buffer.alloc(512, 2)], 0)
      sim.setFaults(failing('datasync', 'EIO'))
      await assert.rejects(file.datasync(), { errno: 'EIO' })
      await file.datasync()
      assert.equal((await file.read(0, 1))[0], 2)
    })
    assert.deepEqual([...seen].sort(), ['1', '2'])
  })

  test('a lying datasync makes nothing durable', async () => {
    const seen = await outcomes2(async (sim) => {
      const file = await sim.disk().open('a', 'write')
      sim.setFaults((call) => (call.operation === 'datasync' ? { kind: 'lie' } : null))
      await file.writeAndSync([Buffer.alloc(512, 2)], 0)
    })
    assert.deepEqual([...seen].sort(), ['1', '2'])
  })

  async function outcomes2(
    act: (sim: ReturnType<typeof createSimDisk>) => Promise<void>,
  ): Promise<Set<string>> {
    const seen = new Set<string>()
    for (let seed = 0; seed < 60; seed++) {
      const sim = createSimDisk({ random: createSimRandom(seed) })
      await synced(sim.disk(), 'a', Buffer.alloc(512, 1))
      await act(sim)
      sim.crash()
      seen.add(String(sim.bytes('a')[0]))
    }
    return seen
  }

  test('errors carry operation, path and errno', async () => {
    const sim = createSimDisk({ random: createSimRandom(1), faults: failing('open', 'EMFILE') })
    await assert.rejects(sim.disk().open('a', 'create'), (error: unknown) => {
      assert(error instanceof DiskFault)
      assert.deepEqual([error.operation, error.path, error.errno], ['open', 'a', 'EMFILE'])
      return true
    })
  })

  test('a full disk refuses to grow and still overwrites', async () => {
    const sim = createSimDisk({ random: createSimRandom(1), capacityBytes: 1000 })
    const file = await sim.disk().open('a', 'create')
    await file.write([Buffer.alloc(800, 1)], 0)
    await assert.rejects(file.write([Buffer.alloc(800, 2)], 400), { errno: 'ENOSPC' })
    await file.write([Buffer.alloc(800, 3)], 0)
    assert.equal((await sim.disk().freeSpace()).freeBytes, 0)
    sim.setCapacity(5000)
    await file.truncate(4000)
  })

  test('broken sectors fail to read until written', async () => {
    const sim = createSimDisk({ random: createSimRandom(1) })
    await synced(sim.disk(), 'a', Buffer.alloc(2048, 1))
    sim.breakSector('a', 2)
    const file = await sim.disk().open('a', 'write')
    assert.equal((await file.read(0, 1024)).length, 1024)
    await assert.rejects(file.read(1000, 100), { errno: 'EIO' })
    await file.write([Buffer.alloc(512, 1)], 1024)
    assert.equal((await file.read(0, 2048)).length, 2048)
  })

  test('a stalled call waits for its release; the bytes are those of the call', async () => {
    const sim = createSimDisk({ random: createSimRandom(1) })
    const file = await sim.disk().open('a', 'create')
    sim.setFaults((call) => (call.operation === 'write' ? { kind: 'stall' } : null))
    const bytes = Buffer.from('before')
    let isDone = false
    const writing = file.write([bytes], 0).then(() => void (isDone = true))
    bytes.write('after!')
    for (let turn = 0; turn < 20; turn++) await Promise.resolve()
    assert.equal(isDone, false)
    sim.releaseStalls()
    await writing
    assert.equal(sim.bytes('a').toString(), 'before')
  })

  test('with a clock, calls take their latency', async () => {
    const timers: { at: number; run: () => void }[] = []
    const clock = {
      wallMs: () => 0,
      monotonicMs: () => 0,
      endOfTurn: (run: () => void) => run(),
      setTimer: (at: number, run: () => void) => {
        timers.push({ at, run })
        return { cancel: () => undefined }
      },
    }
    const sim = createSimDisk({
      random: createSimRandom(1),
      clock,
      latencyMs: () => 3,
      faults: () => ({ kind: 'delay', delayMs: 4 }),
    })
    const made = sim.disk().makeDirectory('x')
    assert.deepEqual(
      timers.map((timer) => timer.at),
      [7],
    )
    timers[0]?.run()
    await made
  })
})

test('rot at rest changes what is read and survives crashes; a lost file is gone; a fork is independent', async () => {
  const sim = createSimDisk({ random: createSimRandom(1) })
  await synced(sim.disk(), 'a', Buffer.alloc(1024, 1))
  const copy = sim.fork(createSimRandom(2))
  sim.flipBit('a', 600, 3)
  sim.crash()
  assert.equal(sim.bytes('a')[600], 9)
  sim.zeroSector('a', 0)
  assert.equal(sim.bytes('a')[0], 0)
  sim.loseFile('a')
  assert.deepEqual(sim.paths(), [])
  assert.equal(copy.bytes('a')[600], 1)
})
