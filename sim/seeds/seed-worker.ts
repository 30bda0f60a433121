/** A process of `npm run sim -- --jobs N`: gets seeds, answers with their outcomes, ends with its parent. */
import { outcomeOf } from './seed-runner.ts'

// Amid a seed too: nobody is left to hear of it.
process.on('disconnect', () => process.exit())
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
