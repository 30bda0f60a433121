import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createSimClock } from '../../sim/world/clock.ts'
import { createScheduler } from '../../sim/world/scheduler.ts'
import { recordingLogger } from '../../test/replica-parts.ts'
import { type GroupId, makeGroupId } from '../base/ids.ts'
import type { LogDamage, RecoveredGroup, SharedLog } from '../storage/log/shared-log.ts'
import { type DamageOf, LogReopener } from './log-reopener.ts'

const [whole, torn, gone] = [0, 1, 2].map(makeGroupId) as [GroupId, GroupId, GroupId]
const damage: LogDamage = { path: 'p', offset: 0, lastSyncedIndex: null, isVoteLost: true, detail: 'rotten' }
const loss: LogDamage = { ...damage, detail: 'no readable header' }

/** What the groups are told after a log failed, and showed this of them when it read itself again. */
async function reopened(losses: readonly LogDamage[]): Promise<DamageOf> {
  const scheduler = createScheduler()
  const recovered = [
    { group: whole, damage: null },
    { group: torn, damage },
  ] as unknown as readonly RecoveredGroup[]
  const log = {
    status: { kind: 'failed' },
    losses,
    reopen: () => Promise.resolve(),
    takeRecovered: () => recovered,
  } as unknown as SharedLog
  let told: DamageOf | null = null
  const reopener = new LogReopener(
    { clock: createSimClock(scheduler), logger: recordingLogger([]), log },
    {
      onLogHealth: () => {},
      onReopened: (damageOf) => {
        told = damageOf
      },
    },
  )
  reopener.onFailure(new Error('EIO'))
  await scheduler.run({ until: () => told !== null, untilMs: 1_000 })
  assert(told !== null)
  return told
}

test('a group that the log does not show any more has lost everything, if anything was lost', async () => {
  const damageOf = await reopened([loss])
  assert.equal(damageOf(whole), null, 'later records prove it')
  assert.equal(damageOf(torn), damage)
  assert.equal(damageOf(gone), loss)
})

test('and had written nothing, if nothing was lost', async () => {
  const damageOf = await reopened([])
  assert.equal(damageOf(torn), damage)
  assert.equal(damageOf(gone), null)
})
