/**
 * The leader's housekeeping of a data group: proposes what logical time has made due. All of it
 * goes through the log, in small pieces, so that every replica does the same and no client waits long.
 * How many pieces at once follows from how much there is and how long the last ones took.
 */
import type { Clock, Timer } from '../env/clock.ts'
import type { KvCommand, MaintenanceCommand } from '../kv/command.ts'
import type { Reply } from '../kv/reply.ts'
import type { Group } from '../replica/group.ts'

type Duty = { readonly command: MaintenanceCommand & { readonly limit: number }; readonly everyMs: number }

/** Records of one command: executing it takes a few milliseconds, and other work comes between two of them. */
const DUTIES: readonly Duty[] = [
  { command: { kind: 'expireDue', limit: 200 }, everyMs: 100 },
  { command: { kind: 'collectGarbage', limit: 200 }, everyMs: 200 },
  { command: { kind: 'expireSessions', limit: 200 }, everyMs: 60_000 },
]
/** While nothing is found to do, looks become as rare as this: each reads from the engine. */
const IDLE_PAUSE_MS = 400
/** Commands of one round, which is one entry of the log: twice as many next time while there is more to do. */
const ROUND_COMMANDS_MAX = 32
/** Whoever writes waits behind a round: one that took longer is followed by a smaller one. */
const ROUND_MS = 60
const COMMAND_BYTES = 16

export class Maintenance {
  readonly #clock: Clock
  readonly #groups: () => Iterable<Group<KvCommand, Reply>>
  readonly #timers = new Set<Timer>()
  readonly #busy = new Set<string>()
  /** Before the next look at a duty. */
  readonly #pausesMs = new Map<Duty, number>()
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
    const pauseMs = this.#pausesMs.get(duty) ?? duty.everyMs
    const timer = this.#clock.setTimer(pauseMs, () => {
      this.#timers.delete(timer)
      if (this.#isStopped) return
      this.#pausesMs.set(duty, Math.max(duty.everyMs, Math.min(pauseMs * 2, IDLE_PAUSE_MS)))
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
        else {
          this.#pausesMs.set(duty, duty.everyMs)
          this.#work(group, duty, name)
        }
      },
      fail: () => this.#busy.delete(name),
    })
  }

  /** One round after the other until less is found than was looked for. */
  #work(group: Group<KvCommand, Reply>, duty: Duty, name: string, commands = 1): void {
    const { limit } = duty.command
    const beginMs = this.#clock.monotonicMs()
    let missing = commands
    let isMore = true
    const end = (isFull: boolean): void => {
      missing -= 1
      isMore &&= isFull
      if (missing > 0) return
      if (!isMore || !group.isLeader || this.#isStopped) {
        this.#busy.delete(name)
        return
      }
      const tookMs = this.#clock.monotonicMs() - beginMs
      this.#work(group, duty, name, nextRound(commands, tookMs))
    }
    for (let at = 0; at < commands; at++) {
      group.propose(duty.command, COMMAND_BYTES, {
        reply: (done) => end(typeof done === 'number' && done >= limit),
        fail: () => end(false),
      })
    }
  }
}

function nextRound(commands: number, tookMs: number): number {
  if (tookMs > ROUND_MS) return Math.max(1, commands >> 1)
  return Math.min(ROUND_COMMANDS_MAX, commands * 2)
}
