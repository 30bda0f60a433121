/**
 * Looks for a smaller run of a seed that fails in the same way: the nemesis ends after its first
 * strikes, fewer clients ask, the run ends earlier. What remains of a smaller run happens as before, up
 * to what is left out, so the search is by halves, and best effort: a failure that needs a coincidence
 * may be lost. Each step is a run, so it has a budget.
 */
import { runSeed, SeedFailure } from './run-seed.ts'
import type { PlanLimits } from './seed-plan.ts'

export type Shrunk = { readonly limits: PlanLimits; readonly failure: SeedFailure; readonly runs: number }

const DURATION_STEP_MS = 2_000

/** `hasTime` is asked before each run. Null: nothing smaller fails like the whole. */
export async function shrink(seed: number, hasTime: () => boolean): Promise<Shrunk | null> {
  const failure = hasTime() ? await failureOf(seed, {}) : null
  if (failure === null) return null
  let smallest: Shrunk = { limits: {}, failure, runs: 0 }
  const attempt = async (change: PlanLimits): Promise<boolean> => {
    const limits = { ...smallest.limits, ...change }
    const found = await failureOf(seed, limits)
    const isSame = found !== null && kindOf(found) === kindOf(failure)
    smallest = isSame
      ? { limits, failure: found, runs: smallest.runs + 1 }
      : { ...smallest, runs: smallest.runs + 1 }
    return isSame
  }
  await bisect(failure.strikes, 1, hasTime, (strikes) => attempt({ strikes }))
  await bisect(failure.clients, 1, hasTime, (clients) => attempt({ clients }))
  await bisect(failure.durationMs, DURATION_STEP_MS, hasTime, (durationMs) => attempt({ durationMs }))
  return smallest.failure === failure ? null : smallest
}

/** Between 0, which may do, and `most`, which does. */
async function bisect(
  most: number,
  step: number,
  hasTime: () => boolean,
  fails: (value: number) => Promise<boolean>,
): Promise<void> {
  let low = 0
  let high = most
  while (high - low >= step && hasTime()) {
    const middle = Math.floor((low + high) / 2)
    if (await fails(middle)) high = middle
    else low = middle + 1
  }
}

async function failureOf(seed: number, limits: PlanLimits): Promise<SeedFailure | null> {
  try {
    await runSeed(seed, limits)
    return null
  } catch (error) {
    if (error instanceof SeedFailure) return error
    throw error
  }
}

/** What failed, without the numbers and names that differ from run to run. */
function kindOf(failure: SeedFailure): string {
  return failure.reason
    .replace(/"[^"]*"/g, '')
    .replace(/\d+/g, '')
    .slice(0, 80)
}
