/**
 * A disk that answers a read with bytes from elsewhere, and says nothing: zeros among them must not pass for
 * the end of the log, nor the middle of a segment for its beginning.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createSimDisk, type SimDisk, type SimDiskCall, type SimDiskFault } from '../../../sim/disk/disk.ts'
import {
  buildLog,
  DAMAGE_SEGMENT_BYTES,
  judge,
  openLogOn,
  segmentsOf,
  spoil,
} from '../../../sim/log/log-damage.ts'
import { createSimRandom } from '../../../sim/world/random.ts'
import { StorageError } from '../../base/errors.ts'
import type { GroupId } from '../../base/ids.ts'
import type { LogIndex, Term } from '../../base/log-entry.ts'
import { SECTOR_BYTES } from './log-format.ts'
import type { LogRecord, SharedLog } from './shared-log.ts'

const SECTORS = DAMAGE_SEGMENT_BYTES / SECTOR_BYTES
/** Within the segment and beyond its end, where zeros are. */
const SHIFTS = [-2, -1, ...Array.from({ length: SECTORS + 1 }, (_, at) => at + 1), 64]
/** More than is read at once. */
const LARGE_SEGMENT_BYTES = 4 * 1024 * 1024
const LARGE_ENTRY_BYTES = 256 * 1024
const LARGE_ENTRIES = 9

describe('a read from elsewhere', () => {
  for (const isClosed of [false, true]) {
    test(`once, whichever of a start's reads it is, changes nothing${isClosed ? ' after a clean stop' : ''}`, async () => {
      const built = await buildLog(isClosed ? 11 : 12, 14, isClosed)
      const reads = await countReads(built.sim)
      assert(reads > 10)
      for (let number = 1; number <= reads; number++) {
        for (const shift of SHIFTS) {
          const found = await spoil(built, `read ${number} is ${shift} sectors off`, (copy) => {
            misreadOnce(copy, number, shift)
          })
          assert.deepEqual(found, { damaged: 0, losses: 0 }, `read ${number}, shift ${shift}`)
        }
      }
    })
  }

  test('once, where a segment is read in several pieces, changes nothing', async () => {
    const sim = createSimDisk({ random: createSimRandom('large') })
    const written = await openLogOn(sim, LARGE_SEGMENT_BYTES)
    for (let index = 1; index <= LARGE_ENTRIES; index++) await append(written, largeEntry(index))
    sim.kill()
    const reads = await countReads(sim)
    for (let number = 1; number <= reads; number++) {
      for (const shift of [-1, 1, LARGE_ENTRY_BYTES / SECTOR_BYTES, LARGE_SEGMENT_BYTES / SECTOR_BYTES]) {
        const copy = sim.fork(createSimRandom(`${number} ${shift}`))
        misreadOnce(copy, number, shift)
        const found = (await openLogOn(copy, LARGE_SEGMENT_BYTES)).takeRecovered()[0]
        const what = `read ${number} is ${shift} sectors off`
        assert.deepEqual([found?.damage, found?.entries.length], [null, LARGE_ENTRIES], what)
      }
    }
  })

  test('again and again is damage or a refusal, never a shorter log', async () => {
    const built = await buildLog(13, 14, false)
    let reported = 0
    let refused = 0
    for (const path of segmentsOf(built.sim)) {
      for (const shift of SHIFTS) {
        // From the first read of the file on, or only after its header was found right.
        for (const from of [1, 2, 3]) {
          const copy = built.sim.fork(createSimRandom(`${path} ${shift} ${from}`))
          let seen = 0
          copy.setFaults((call) => {
            if (!isRead(call) || call.path !== path) return null
            seen += 1
            return seen < from ? null : misread(call, shift)
          })
          try {
            const log = await openLogOn(copy)
            const found = log.takeRecovered()
            if (judge(built, log, found) > 0) reported++
          } catch (error) {
            if (!(error instanceof StorageError))
              throw new Error(`${path}, ${shift}, ${from}`, { cause: error })
            assert.equal(error.name, 'checksumMismatch')
            refused++
          }
        }
      }
    }
    assert(reported > 0 && refused > 0, `${reported} reported, ${refused} refused`)
  })
})

async function countReads(sim: SimDisk): Promise<number> {
  const copy = sim.fork(createSimRandom('count'))
  let reads = 0
  copy.setFaults((call) => {
    if (isRead(call)) reads += 1
    return null
  })
  await openLogOn(copy)
  return reads
}

function misreadOnce(sim: SimDisk, number: number, shift: number): void {
  let seen = 0
  sim.setFaults((call) => {
    if (!isRead(call)) return null
    seen += 1
    return seen === number ? misread(call, shift) : null
  })
}

function largeEntry(index: number): LogRecord {
  const payload = Buffer.alloc(LARGE_ENTRY_BYTES, index)
  return {
    kind: 'entries',
    group: 1 as GroupId,
    entries: [{ index: index as LogIndex, term: 1 as Term, kind: 1, payload }],
  }
}

function append(log: SharedLog, record: LogRecord): Promise<void> {
  return new Promise((resolve, reject) =>
    log.append([record], (error) => (error ? reject(error) : resolve())),
  )
}

function isRead(call: SimDiskCall): boolean {
  return call.operation === 'read' && call.length > 0
}

function misread(call: SimDiskCall, shift: number): SimDiskFault {
  return { kind: 'misread', elsewhere: Math.max(0, call.offset + shift * SECTOR_BYTES) }
}
