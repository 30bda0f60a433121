/** Lets virtual time pass until an asynchronous body of a test or workload has settled. */
import type { Scheduler } from './scheduler.ts'

/** Runs `body`; fails when the world has nothing left to do and `body` still waits. */
export async function driveUntilSettled<T>(scheduler: Scheduler, body: () => Promise<T>): Promise<T> {
  let isSettled = false
  const settled = body().finally(() => {
    isSettled = true
  })
  // Whoever awaits the result below hears of a failure; here it only ends the run.
  settled.catch(() => undefined)
  const end = await scheduler.run({ until: () => isSettled })
  if (end === 'idle') throw new Error(`nothing left to do at ${scheduler.nowMs} ms, and it still waits`)
  return settled
}
