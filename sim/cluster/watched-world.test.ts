import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createSimDisk } from '../disk/disk.ts'
import { createSimClock } from '../world/clock.ts'
import { createSimRandom } from '../world/random.ts'
import { createScheduler } from '../world/scheduler.ts'
import { CallWatch, watchClock, watchDisk } from './watched-world.ts'

function settled(promise: Promise<unknown>): Promise<boolean> {
  const later = new Promise<false>((resolve) => setImmediate(() => resolve(false)))
  return Promise.race([promise.then(() => true), later])
}

for (const when of ['before', 'after'] as const) {
  const effect = when === 'after' ? 'it took place' : 'it never took place'
  test(`a process that dies ${when} a call never hears of it, and ${effect}`, async () => {
    const sim = createSimDisk({ random: createSimRandom(1) })
    const watch = new CallWatch()
    const die = (): void => {
      watch.died()
      sim.kill()
    }
    watch.crashAt({ family: 'disk', calls: 1, when, die })
    assert.equal(await settled(watchDisk(sim.disk(), watch).open('x', 'create')), false)
    assert.equal(watch.isAlive, false)
    assert.deepEqual(sim.paths(), when === 'after' ? ['x'] : [])
  })
}

test('the k-th call of its family is where it dies', async () => {
  const sim = createSimDisk({ random: createSimRandom(1) })
  const watch = new CallWatch()
  const disk = watchDisk(sim.disk(), watch)
  const died: string[] = []
  const die = (call: string): void => {
    died.push(call)
    watch.died()
    sim.kill()
  }
  watch.crashAt({ family: 'disk', calls: 2, when: 'before', die })
  const first = await disk.open('first', 'create')
  assert.equal(await settled(first.write([Buffer.from('x')], 0)), false)
  assert.deepEqual(died, ['before write first'])
  assert.equal(sim.bytes('first').length, 0)
  assert.equal(await settled(disk.open('first', 'read')), false, 'a dead process gets no answer')
})

test('calls without an answer and timers that wait are counted', async () => {
  const scheduler = createScheduler()
  const sim = createSimDisk({ random: createSimRandom(1), faults: () => ({ kind: 'stall' }) })
  const watch = new CallWatch()
  const clock = watchClock(createSimClock(scheduler), watch)
  const opened = watchDisk(sim.disk(), watch).open('x', 'create')
  assert.equal(watch.pending, 1)
  sim.releaseStalls()
  await opened
  assert.equal(watch.pending, 0)
  const timer = clock.setTimer(5, () => undefined)
  clock.setTimer(5, () => undefined)
  assert.equal(watch.timers, 2)
  timer.cancel()
  timer.cancel()
  assert.equal(watch.timers, 1)
  await scheduler.run()
  assert.equal(watch.timers, 0)
})
