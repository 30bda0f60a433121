import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createSimClock } from '../../sim/world/clock.ts'
import { createScheduler } from '../../sim/world/scheduler.ts'
import { recordingLogger } from '../../test/replica-parts.ts'
import { type GroupId, makeGroupId } from '../base/ids.ts'
import type { LogDamage, RecoveredGroup, SharedLog } from '../storage/log/shared-log.ts'
import { type FoundOf, LogReopener } from './log-reopener.ts'

const [whole, torn, gone] = [0, 1, 2].map(makeGroupId) as [GroupId, GroupId, GroupId]
const damage: LogDamage = { path: 'p', offset: 0, lastSyncedIndex: null, isVoteLost: true, detail: 'rotten' }
const loss: LogDamage = { ...damage, detail: 'no readable header' }

/** What the groups are told after a log failed, and showed this of them when it read itself again. */
async function reopened(losses: readonly LogDamage[]): Promise<FoundOf> {
  const scheduler = createScheduler()
  const recovered = [
    { group: whole, damage: null, base: { index: 4 }, entries: [1, 2] },
    { group: torn, damage, base: { index: 0 }, entries: [1] },
  ] as unknown as readonly RecoveredGroup[]
  const log = {
    status: { kind: 'failed' },
    losses,
    reopen: () => Promise.resolve(),
    takeRecovered: () => recovered,
  } as unknown as SharedLog
  let told: FoundOf | null = null
  const reopener = new LogReopener(
    { clock: createSimClock(scheduler), logger: recordingLogger([]), log },
    {
      onLogHealth: () => {},
      onReopened: (foundOf) => {
        told = foundOf
      },
    },
  )
  reopener.onFailure(new Error('EIO'))
  await scheduler.run({ until: () => told !== null, untilMs: 1_000 })
  assert(told !== null)
  return told
}

test('a group that the log does not show any more has lost everything, if anything was lost', async () => {
  const foundOf = await reopened([loss])
  assert.deepEqual(foundOf(whole), { damage: null, lastIndex: 6 }, 'later records prove it')
  assert.deepEqual(foundOf(torn), { damage, lastIndex: 1 })
  assert.deepEqual(foundOf(gone), { damage: loss, lastIndex: 0 })
})

test('and had written nothing, if nothing was lost', async () => {
  const foundOf = await reopened([])
  assert.deepEqual(foundOf(torn), { damage, lastIndex: 1 })
  assert.deepEqual(foundOf(gone), { damage: null, lastIndex: 0 })
})
