import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { DiskFile } from '../../src/env/disk.ts'
import { createSimRandom } from '../world/random.ts'
import { createSimDisk, type SimDisk, type SimDiskFault } from './disk.ts'

const SECTOR_BYTES = 512
const sector = (letter: string): Buffer => Buffer.alloc(SECTOR_BYTES, letter)

async function withThreeSectors(): Promise<{ sim: SimDisk; file: DiskFile }> {
  const sim = createSimDisk({ random: createSimRandom(1) })
  const file = await sim.disk().open('file', 'create')
  await file.writeAndSync([Buffer.alloc(3 * SECTOR_BYTES, '-')], 0)
  await sim.disk().syncDirectory('.')
  return { sim, file }
}

function nextWrite(sim: SimDisk, fault: SimDiskFault): void {
  let isDone = false
  sim.setFaults((call) => {
    if (isDone || call.operation !== 'write') return null
    isDone = true
    return fault
  })
}

function letters(sim: SimDisk): string {
  const bytes = sim.bytes('file')
  return [0, 1, 2].map((at) => String.fromCharCode(bytes[at * SECTOR_BYTES] ?? 0)).join('')
}

test('a write is lost for good once a later one of the file is durable', async () => {
  const { sim, file } = await withThreeSectors()
  nextWrite(sim, { kind: 'lose', elsewhere: null })
  await file.writeAndSync([sector('a')], 0)
  assert.equal(letters(sim), '---')
  assert.equal(sim.silentLosses, 0)
  await file.writeAndSync([sector('b')], SECTOR_BYTES)
  assert.equal(sim.silentLosses, 1)
  sim.crash()
  assert.equal(letters(sim), '-b-')
})

test('the last write before a crash is not lost: nobody could know', async () => {
  const { sim, file } = await withThreeSectors()
  nextWrite(sim, { kind: 'lose', elsewhere: null })
  await file.writeAndSync([sector('a')], 0)
  sim.crash()
  assert.equal(letters(sim), 'a--')
  assert.equal(sim.silentLosses, 0)
})

test('a write that goes elsewhere is over what was there', async () => {
  const { sim, file } = await withThreeSectors()
  nextWrite(sim, { kind: 'lose', elsewhere: 2 * SECTOR_BYTES })
  await file.writeAndSync([sector('a')], 0)
  await file.writeAndSync([sector('b')], SECTOR_BYTES)
  assert.equal(letters(sim), '-ba')
})

test('a read may be of another place', async () => {
  const { sim, file } = await withThreeSectors()
  await file.writeAndSync([sector('a')], 0)
  sim.setFaults((call) => (call.operation === 'read' ? { kind: 'misread', elsewhere: SECTOR_BYTES } : null))
  assert.equal((await file.read(0, 1)).toString(), '-')
})

test('files that end too early and names that are back, at rest', async () => {
  const { sim } = await withThreeSectors()
  sim.cutFile('file', SECTOR_BYTES)
  sim.crash()
  assert.equal(sim.bytes('file').length, SECTOR_BYTES)
  sim.undoRename('before', 'file')
  sim.crash()
  assert.deepEqual(sim.paths(), ['before'])
})

test('a name is lost also while its folder is being synced by somebody who died', async () => {
  for (const lose of [
    (sim: SimDisk) => sim.undoRename('new', 'file'),
    (sim: SimDisk) => sim.loseFile('file'),
  ]) {
    const sim = createSimDisk({ random: createSimRandom(1) })
    const disk = sim.disk()
    const file = await disk.open('new', 'create')
    await file.writeAndSync([sector('a')], 0)
    await disk.rename('new', 'file')
    sim.kill()
    lose(sim)
    assert.ok(!sim.paths().includes('file'))
    sim.crash()
    assert.ok(!sim.paths().includes('file'))
  }
})
