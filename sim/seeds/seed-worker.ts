/** A process of `npm run sim -- --jobs N`: gets seeds, answers with their outcomes, ends with its parent. */
import { outcomeOf } from './seed-runner.ts'

process.on('message', (seed) => {
  outcomeOf(seed as number).then(
    (outcome) => process.send?.(outcome),
    (error: unknown) => {
      // Not a failure of the seed: the parent hears of the end of this process.
      console.error(error)
      process.exit(1)
    },
  )
})
