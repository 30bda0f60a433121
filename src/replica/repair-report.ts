/**
 * Says what a replica with a damaged log waits for, and whether waiting can be enough: in the log every ten
 * seconds, and in the node's status. A replica that has no vote looks idle from outside; an operator must not
 * have to guess which of the machines is missing.
 */
import type { GroupId } from '../base/ids.ts'
import type { Clock } from '../env/clock.ts'
import type { Logger } from '../env/logger.ts'
import { allVoters } from '../raft/membership.ts'
import { majorityOf } from '../raft/quorum.ts'
import type { Raft, RaftStatus } from '../raft/raft.ts'

const REPORT_MS = 10_000

export type RepairReport = {
  /** One line, without the group's number. */
  readonly text: string
  /** Fewer whole copies are left than decide: no waiting helps. */
  readonly needsOperator: boolean
}

/** Null when the log is whole. */
export function reportRepair(status: RaftStatus): RepairReport | null {
  const { repair } = status
  if (repair === null) return null
  const { goal, isGoalKnown, waitsFor, damagedPeers } = repair
  const voters = allVoters(status.membership)
  const whole = voters.filter((id) => id !== status.id && !damagedPeers.includes(id)).length
  const needsOperator = voters.length > 0 && whole < majorityOf(voters.length)
  const parts = ['the log here was damaged and this replica has no vote']
  if (!isGoalKnown) parts.push('no leader has shown what it must hold')
  else if (status.persistedIndex < goal) parts.push(`it holds ${status.persistedIndex} of ${goal} entries`)
  const silent = waitsFor.filter((id) => !damagedPeers.includes(id))
  if (silent.length > 0) parts.push(`it waits to hear from every voter, and did not from ${list(silent)}`)
  if (damagedPeers.length > 0) parts.push(`the disk of ${list(damagedPeers)} lost its votes too`)
  if (needsOperator) {
    parts.push(
      `at most ${whole} of ${voters.length} copies are whole and ${majorityOf(voters.length)} must be: put the data directory of a damaged one back as it was before, or restore a backup`,
    )
  }
  return { text: parts.join('; '), needsOperator }
}

function list(replicas: readonly number[]): string {
  return `replica${replicas.length > 1 ? 's' : ''} ${replicas.join(', ')}`
}

export class RepairReporter {
  readonly #group: GroupId
  readonly #raft: Raft
  readonly #world: { readonly clock: Clock; readonly logger: Logger }
  #lastMs: number

  constructor(group: GroupId, raft: Raft, world: { readonly clock: Clock; readonly logger: Logger }) {
    this.#group = group
    this.#raft = raft
    this.#world = world
    this.#lastMs = world.clock.monotonicMs()
  }

  /** Called with every tick. */
  tick(): void {
    if (!this.#raft.isRepairing) return
    const nowMs = this.#world.clock.monotonicMs()
    if (nowMs - this.#lastMs < REPORT_MS) return
    this.#lastMs = nowMs
    const report = reportRepair(this.#raft.status())
    if (report === null) return
    const level = report.needsOperator ? 'error' : 'warning'
    this.#world.logger[level](report.text, { group: this.#group, needsOperator: report.needsOperator })
  }
}
