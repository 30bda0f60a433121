/**
 * Clusters of three are stopped (SIGSTOP) while another store is measured: their heartbeats use a
 * few percent of a small machine. Before its own load a cluster goes on and gets the time to agree
 * on a leader again.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Subject } from './subjects.ts'

/** After a leader is known: connections, caches and clocks of the nodes come back too. */
const CALM_MS = 500

export class IdleClusters {
  readonly #subjects: readonly Subject[]
  readonly #stopped = new Set<number>()

  constructor(subjects: readonly Subject[]) {
    this.#subjects = subjects
  }

  /** Only what this one needs runs, of the clusters. */
  async runOnly(subject: Subject): Promise<void> {
    for (const { settle, pids } of this.#subjects) {
      if (settle === undefined) continue
      for (const pid of pids) if (!subject.pids.includes(pid)) this.#stop(pid)
    }
    const wasStopped = subject.pids.some((pid) => this.#stopped.has(pid))
    for (const pid of subject.pids) this.#continue(pid)
    if (!wasStopped) return
    await sleep(CALM_MS)
    await subject.settle?.()
    await sleep(CALM_MS)
  }

  #stop(pid: number): void {
    if (this.#stopped.has(pid)) return
    process.kill(pid, 'SIGSTOP')
    this.#stopped.add(pid)
  }

  #continue(pid: number): void {
    if (!this.#stopped.delete(pid)) return
    process.kill(pid, 'SIGCONT')
  }
}
