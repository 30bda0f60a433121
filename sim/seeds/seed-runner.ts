/**
 * Runs seeds in this process, or in one of its own, which makes use of another core.
 *
 * A seed that fails is an outcome. A process that ends without one is an error of its runner: memory
 * that ran out, say, which no seed can be told from.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, fork } from 'node:child_process'
import path from 'node:path'
import { runSeed, SeedFailure, type SeedResult } from './run-seed.ts'

export type SeedOutcome =
  | { readonly kind: 'passed'; readonly seed: number; readonly result: SeedResult }
  | {
      readonly kind: 'failed'
      readonly seed: number
      readonly message: string
      readonly story: string
      /** Of what was thrown. */
      readonly stack: string
    }

/** One seed at a time. */
export interface SeedRunner {
  run(seed: number): Promise<SeedOutcome>
  close(): void
}

export function createRunners(jobs: number): readonly SeedRunner[] {
  assert(Number.isSafeInteger(jobs) && jobs >= 1, `--jobs ${jobs}: a whole number from 1 on`)
  if (jobs === 1) return [{ run: outcomeOf, close: () => undefined }]
  return Array.from({ length: jobs }, () => new ProcessRunner())
}

export async function outcomeOf(seed: number): Promise<SeedOutcome> {
  try {
    return { kind: 'passed', seed, result: await runSeed(seed) }
  } catch (error) {
    return failureOf(error)
  }
}

/** Throws what is not the failure of a seed. */
export function failureOf(error: unknown): Extract<SeedOutcome, { kind: 'failed' }> {
  if (!(error instanceof SeedFailure)) throw error
  const { seed, message, story, cause } = error
  return { kind: 'failed', seed, message, story, stack: cause instanceof Error ? (cause.stack ?? '') : '' }
}

class ProcessRunner implements SeedRunner {
  readonly #child: ChildProcess = fork(path.join(import.meta.dirname, 'seed-worker.ts'), {
    // As this process, but no test runner; seeds leave little behind, and much of it at once: fewer, larger collections.
    execArgv: [...process.execArgv.filter((flag) => !flag.startsWith('--test')), '--max-semi-space-size=64'],
  })
  #waiting: { resolve(outcome: SeedOutcome): void; reject(error: Error): void } | null = null
  #end: string | null = null

  constructor() {
    this.#child.on('message', (outcome) => {
      this.#waiting?.resolve(outcome as SeedOutcome)
      this.#waiting = null
    })
    this.#child.on('exit', (code, signal) => {
      this.#end = `a process that runs seeds ended with ${signal ?? code}`
      this.#waiting?.reject(new Error(this.#end))
      this.#waiting = null
    })
  }

  run(seed: number): Promise<SeedOutcome> {
    assert(this.#waiting === null, 'one seed at a time')
    return new Promise((resolve, reject) => {
      if (this.#end !== null) return reject(new Error(`${this.#end}, before seed ${seed}`))
      this.#waiting = { resolve, reject }
      this.#child.send(seed)
    })
  }

  close(): void {
    if (this.#end === null) this.#child.disconnect()
  }
}
