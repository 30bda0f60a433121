/** Damage of a log is done only where the store promises to notice it, whatever a crash left of the log's end. */
import { describe, test } from 'node:test'
import { segmentName } from '../../src/storage/log/log-format.ts'
import { LOG_DIRECTORY } from '../../src/storage/log/open-shared-log.ts'
import type { SimDisk } from '../disk/disk.ts'
import { type Built, buildLog, judge, openLogOn, segmentsOf } from '../log/log-damage.ts'
import { createSimRandom } from '../world/random.ts'
import { damageLog } from './damage-log.ts'

const EVIDENCE = `${LOG_DIRECTORY}/evidence`
const LOGS = 12
const DAMAGES = 40
const DAMAGES_AT_ONCE = 3

describe('damage of a log', () => {
  test('is noticed, or takes nothing', async () => {
    for (let seed = 1; seed <= LOGS; seed++) {
      const built = await buildLog(seed, 14, false)
      for (let at = 0; at < DAMAGES; at++) await hurt(built, built.sim, `${seed}, damage ${at}`)
    }
  })

  test('is noticed, or takes nothing, where a start was interrupted before it', async () => {
    for (let seed = 1; seed <= LOGS; seed++) {
      const built = await buildLog(seed, 14, false)
      for (let write = 1; ; write++) {
        const sim = built.sim.fork(createSimRandom(`${seed} ${write}`))
        if (!(await dieAmid(sim, write))) break
        for (let at = 0; at < DAMAGES; at++) await hurt(built, sim, `${seed}, write ${write}, damage ${at}`)
      }
    }
  })
})

/** One damage after the other, as long as nobody reads the log between them. */
async function hurt(built: Built, sim: SimDisk, what: string): Promise<void> {
  const random = createSimRandom(what)
  const copy = sim.fork(random.fork('disk'))
  // Kept from earlier damage: it is no part of the log and proves nothing.
  await copy.disk().makeDirectory(EVIDENCE)
  copy.putFile(`${EVIDENCE}/${segmentName(1)}`, copy.bytes(segmentsOf(copy)[0] as string))
  const damages = Array.from({ length: random.between(1, DAMAGES_AT_ONCE) }, () => damageLog(copy, random))
  try {
    const log = await openLogOn(copy)
    judge(built, log, log.takeRecovered())
  } catch (error) {
    throw new Error(`${what}: ${damages.join('; ')}`, { cause: error })
  }
}

/** A start that loses power amid its n-th write or sync; false: it has fewer. */
async function dieAmid(sim: SimDisk, number: number): Promise<boolean> {
  let seen = 0
  sim.setFaults(({ operation }) => {
    if (operation !== 'write' && operation !== 'datasync') return null
    seen += 1
    return seen >= number ? { kind: 'stall' } : null
  })
  // A process that is dead never answers.
  void openLogOn(sim)
  await new Promise(setImmediate)
  sim.crash()
  sim.setFaults(null)
  return seen >= number
}
