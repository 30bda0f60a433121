/** The parent's side of a load process: one task at a time, each with a limit of time. */
import assert from 'node:assert/strict'
import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { LoadAnswer, LoadFigures, LoadTask } from './load-task.ts'

const MAIN = fileURLToPath(new URL('load-process.ts', import.meta.url))
/** Ten million keys at a slow server's rate; it only ends a run that hangs. */
const TASK_MS_MAX = 900_000

export class LoadClient {
  readonly #child: ChildProcess = fork(MAIN)

  /** Error replies, and values that should have been there and were not, are errors here. */
  async run(task: LoadTask): Promise<LoadFigures> {
    const figures = await this.#carryOut(task)
    const what = `${typeof task.test === 'string' ? task.test : task.test.join(' ')} on ${task.host}:${task.port}`
    assert(figures.errors === 0, `${what}: ${figures.errors} errors, the first: ${figures.firstError}`)
    assert(figures.absent === 0, `${what}: ${figures.absent} values are not there`)
    return figures
  }

  close(): void {
    this.#child.disconnect()
  }

  #carryOut(task: LoadTask): Promise<LoadFigures> {
    return new Promise((resolve, reject) => {
      const child = this.#child
      const timer = setTimeout(
        () => finish(() => reject(new Error(`a load did not end in ${TASK_MS_MAX} ms`))),
        TASK_MS_MAX,
      )
      const finish = (settle: () => void): void => {
        clearTimeout(timer)
        child.off('message', take)
        child.off('exit', leave)
        settle()
      }
      const take = (message: LoadAnswer): void =>
        finish(() =>
          message.kind === 'done' ? resolve(message.figures) : reject(new Error(message.message)),
        )
      const leave = (code: number | null): void =>
        finish(() => reject(new Error(`the load process ended with code ${code}`)))
      child.on('message', take)
      child.on('exit', leave)
      child.send(task)
    })
  }
}
