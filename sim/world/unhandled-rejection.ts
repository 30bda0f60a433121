/**
 * A promise that nobody waits for and that fails ends a real process. Here it ends the run: the
 * first such failure is thrown by the scheduler as its next event.
 */
import { eventTag, type Scheduler } from './scheduler.ts'

const UNHANDLED = eventTag('unhandled-rejection')

export async function failOnUnhandledRejection<Result>(
  scheduler: Scheduler,
  body: () => Promise<Result>,
): Promise<Result> {
  let first: { readonly error: unknown } | null = null
  const onRejection = (error: unknown): void => {
    if (first !== null) return
    first = { error }
    scheduler.after(0, UNHANDLED, () => {
      throw error
    })
  }
  process.on('unhandledRejection', onRejection)
  try {
    return await body()
  } finally {
    process.off('unhandledRejection', onRejection)
  }
}
