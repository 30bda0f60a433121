/**
 * The world as one simulated process sees it, with every call counted: so that a process can be made
 * to die before or after its k-th call, and so that what it leaves unfinished can be counted.
 *
 * A process that died in one of its own calls runs on to its next `await`, as nothing can end it
 * there; its world is dead by then, so nothing it does has an effect.
 */
import assert from 'node:assert/strict'
import type { Clock } from '../../src/env/clock.ts'
import type { Disk } from '../../src/env/disk.ts'
import type { Engine, EngineStore } from '../../src/env/engine.ts'
import type { Connection, Listener, Network } from '../../src/env/network.ts'

export type CallFamily = 'disk' | 'engine' | 'network'
export type CrashPoint = {
  readonly family: CallFamily
  /** How many calls of this family are left until then. */
  calls: number
  readonly when: 'before' | 'after'
  /** May let it live after all. */
  readonly die: (call: string) => void
}

const CALLS_REMEMBERED = 16

export class CallWatch {
  /** Calls without an answer yet. */
  pending = 0
  timers = 0
  #isAlive = true
  #crashPoint: CrashPoint | null = null
  #latest: string[] = []

  /** The last calls, oldest first. */
  get latest(): readonly string[] {
    return this.#latest
  }

  get isAlive(): boolean {
    return this.#isAlive
  }

  died(): void {
    this.#isAlive = false
    this.#crashPoint = null
  }

  crashAt(point: CrashPoint | null): void {
    this.#crashPoint = point
  }

  /** Notes a call of a family in which no death is near: the quick way for what is called all the time. */
  passes(family: CallFamily, name: string): boolean {
    if (this.#crashPoint?.family === family) return false
    this.#remember(name)
    return true
  }

  /** Runs one call; undefined: the process died before it. */
  run(family: CallFamily, name: string, call: () => unknown): unknown {
    this.#remember(name)
    const point = this.#dueAt(family)
    if (point?.when === 'before') {
      point.die(`before ${name}`)
      if (!this.#isAlive) return undefined
    }
    const result = call()
    if (point?.when === 'after') point.die(`after ${name}`)
    return result
  }

  /** Counts the call until it is answered. */
  follow<Result>(answer: Promise<unknown>, then: (result: unknown) => Result): Promise<Result> {
    this.pending += 1
    return answer.then(
      (result) => {
        this.pending -= 1
        return then(result)
      },
      (error: unknown) => {
        this.pending -= 1
        throw error
      },
    )
  }

  #dueAt(family: CallFamily): CrashPoint | null {
    const point = this.#crashPoint
    if (point === null || point.family !== family) return null
    point.calls -= 1
    if (point.calls > 0) return null
    this.#crashPoint = null
    return point
  }

  #remember(name: string): void {
    this.#latest.push(name)
    if (this.#latest.length > 2 * CALLS_REMEMBERED) this.#latest = this.#latest.slice(-CALLS_REMEMBERED)
  }
}

const never = (): Promise<never> => new Promise(() => {})

export function watchDisk(disk: Disk, watch: CallWatch): Disk {
  return watched(disk, 'disk', watch, '', (result, name, path) =>
    name === 'open' ? watched(result as object, 'disk', watch, path) : result,
  )
}

export function watchEngines(store: EngineStore, watch: CallWatch): EngineStore {
  return watched(store, 'engine', watch, '', (result, name) => {
    if (name !== 'open') return result
    return watched(result as Engine, 'engine', watch, '', (view, call) =>
      call === 'snapshot' ? watched(view as object, 'engine', watch, 'snapshot') : view,
    )
  })
}

/** Of a call that answers with a promise; never answered when the process died before it. */
function answerOf<Result>(
  watch: CallWatch,
  answer: unknown,
  then: (result: unknown) => Result,
): Promise<Result> {
  return answer === undefined ? never() : watch.follow(answer as Promise<unknown>, then)
}

/** Only what leaves the process is a call; what arrives is somebody else's. */
export function watchNetwork(network: Network, watch: CallWatch): Network {
  return {
    listen: (address, onConnection) =>
      answerOf(
        watch,
        watch.run('network', `listen ${address.port}`, () =>
          network.listen(address, (connection) => onConnection(watchConnection(connection, watch))),
        ),
        (listener) => listener as Listener,
      ),
    connect: (address, options) => {
      const connect = (): Connection => network.connect(address, options)
      const made = watch.run('network', `connect ${address.host}:${address.port}`, connect) as
        | Connection
        | undefined
      // The network of a dead process gives it a connection of which nothing is ever heard.
      return watchConnection(made ?? connect(), watch)
    },
  }
}

function watchConnection(connection: Connection, watch: CallWatch): Connection {
  const { remote } = connection
  const writeName = `write to ${remote.host}`
  return {
    remote,
    get bufferedBytes() {
      return connection.bufferedBytes
    },
    handle: (handler) => connection.handle(handler),
    write: (bytes) => {
      if (watch.passes('network', writeName)) connection.write(bytes)
      else watch.run('network', writeName, () => connection.write(bytes))
    },
    pause: () => connection.pause(),
    resume: () => connection.resume(),
    end: () => connection.end(),
    destroy: () => {
      watch.run('network', `close ${remote.host}`, () => connection.destroy())
    },
  }
}

/** Counts the timers that are neither due nor cancelled. */
export function watchClock(clock: Clock, watch: CallWatch): Clock {
  return {
    wallMs: () => clock.wallMs(),
    monotonicMs: () => clock.monotonicMs(),
    endOfTurn: (run) => clock.endOfTurn(run),
    setTimer: (delayMs, run) => {
      let isPending = true
      const end = (): void => {
        if (isPending) watch.timers -= 1
        isPending = false
      }
      watch.timers += 1
      const timer = clock.setTimer(delayMs, () => {
        end()
        run()
      })
      return {
        cancel: () => {
          end()
          timer.cancel()
        },
      }
    },
  }
}

/** Every method is a call and answers with a promise, as those of disks and engines do. */
function watched<Target extends object>(
  target: Target,
  family: CallFamily,
  watch: CallWatch,
  where: string,
  wrap: (result: unknown, name: string, firstArgument: string) => unknown = (result) => result,
): Target {
  const methods = new Map<string, unknown>()
  return new Proxy(target, {
    get: (_target, name) => {
      assert(typeof name === 'string' || name === Symbol.toStringTag)
      const member: unknown = Reflect.get(target, name, target)
      if (typeof member !== 'function' || typeof name !== 'string') return member
      const known = methods.get(name)
      if (known !== undefined) return known
      const method = (...given: unknown[]): Promise<unknown> => {
        if (!watch.isAlive) return never()
        const first = typeof given[0] === 'string' ? given[0] : ''
        const call = (): unknown => Reflect.apply(member, target, given)
        const answer = watch.run(family, `${name} ${where}${first}`, call)
        return answerOf(watch, answer, (value) => wrap(value, name, first))
      }
      methods.set(name, method)
      return method
    },
  })
}
