/**
 * The leader's housekeeping of a data group: proposes what logical time has made due. All of it
 * goes through the log, in small pieces, so that every replica does the same and no client waits.
 */
import type { Clock, Timer } from '../env/clock.ts'
import type { KvCommand, MaintenanceCommand } from '../kv/command.ts'
import type { Reply } from '../kv/reply.ts'
import type { Group } from '../replica/group.ts'

type Duty = { readonly command: MaintenanceCommand & { readonly limit: number }; readonly everyMs: number }

/** Records of one log entry: small enough that applying it takes a few milliseconds. */
const DUTIES: readonly Duty[] = [
  { command: { kind: 'expireDue', limit: 200 }, everyMs: 100 },
  { command: { kind: 'collectGarbage', limit: 500 }, everyMs: 200 },
  { command: { kind: 'expireSessions', limit: 200 }, everyMs: 60_000 },
]
const COMMAND_BYTES = 16

export class Maintenance {
  readonly #clock: Clock
  readonly #groups: () => Iterable<Group<KvCommand, Reply>>
  readonly #timers = new Set<Timer>()
  readonly #busy = new Set<string>()
  #isStopped = false

  constructor(clock: Clock, groups: () => Iterable<Group<KvCommand, Reply>>) {
    this.#clock = clock
    this.#groups = groups
  }

  start(): void {
    for (const duty of DUTIES) this.#schedule(duty)
  }

  stop(): void {
    this.#isStopped = true
    for (const timer of this.#timers) timer.cancel()
  }

  #schedule(duty: Duty): void {
    const timer = this.#clock.setTimer(duty.everyMs, () => {
      this.#timers.delete(timer)
      if (this.#isStopped) return
      for (const group of this.#groups()) if (group.isLeader) this.#look(group, duty)
      this.#schedule(duty)
    })
    this.#timers.add(timer)
  }

  /**
   * Asks whether anything is due before putting an entry into the log. The leader's own state is enough for
   * that: where it is behind, an entry that finds nothing to do, or one that comes a moment later, is the
   * whole price, and a round among the replicas many times a second would be a high one.
   */
  #look(group: Group<KvCommand, Reply>, duty: Duty): void {
    const name = `${group.id}/${duty.command.kind}`
    if (this.#busy.has(name)) return
    this.#busy.add(name)
    group.peek(duty.command, {
      reply: (waiting) => {
        if (waiting === 0) this.#busy.delete(name)
        else this.#work(group, duty, name)
      },
      fail: () => this.#busy.delete(name),
    })
  }

  #work(group: Group<KvCommand, Reply>, duty: Duty, name: string): void {
    group.propose(duty.command, COMMAND_BYTES, {
      reply: (done) => {
        const isMore =
          typeof done === 'number' && done >= duty.command.limit && group.isLeader && !this.#isStopped
        if (isMore) this.#work(group, duty, name)
        else this.#busy.delete(name)
      },
      fail: () => this.#busy.delete(name),
    })
  }
}
