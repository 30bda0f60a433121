/**
 * A cluster of real processes on this machine, for trying out what happens when one of them is
 * killed. The demo keeps nothing of its own: nodes that were there go on with their identity,
 * data and ports.
 *
 * A node that dies is reported and stays dead, unless `--restart`: watching the others go on
 * without it is the point.
 */
import assert from 'node:assert/strict'
import { renderColumns } from '../columns.ts'
import { type CommandContext, EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK } from '../command-context.ts'
import type { Endpoints } from '../endpoints-file.ts'
import { makeFolder } from '../make-folder.ts'
import { showAddress } from '../options/value-kinds.ts'
import { reportError } from '../report-error.ts'
import { type StopSignals, watchStopSignals } from '../start/stop-signals.ts'
import { type ChildNode, describeExit, startChild } from './child-node.ts'
import { type DemoNode, findLeftOut, planDemo, rememberPorts, startFlags } from './demo-plan.ts'

export type DemoOptions = { readonly nodes: number; readonly directory: string; readonly restarts: boolean }

/** More than a node's own limit for stopping; then it is killed. */
const STOP_TIMEOUT_MS = 10_000
const RESTART_DELAY_MS = 1_000
/** In a row, without serving in between. */
const RESTARTS_MAX = 10

export async function runDemo(options: DemoOptions, context: CommandContext): Promise<number> {
  assert(options.nodes >= 1)
  const demo = new Demo(options, context)
  const signals = watchStopSignals(process, () => demo.abandon(), null)
  try {
    return await demo.run(signals)
  } catch (thrown) {
    reportError(context, "the demo can't run", thrown)
    return EXIT_FAILED
  } finally {
    await demo.stopAll()
    signals.dispose()
  }
}

class Demo {
  readonly #options: DemoOptions
  readonly #context: CommandContext
  readonly #children = new Map<string, ChildNode>()
  readonly #allGone = Promise.withResolvers<void>()
  #isStopping = false

  constructor(options: DemoOptions, context: CommandContext) {
    this.#options = options
    this.#context = context
  }

  async run(signals: StopSignals): Promise<number> {
    const { directory, nodes: count } = this.#options
    await makeFolder(directory)
    const nodes = await planDemo(directory, count)
    const leftOut = await findLeftOut(directory, count)
    if (leftOut.length > 0)
      this.#say(`warning: ${leftOut.join(', ')} of an earlier demo in ${directory} stay stopped`)
    const serving = this.#startAll(nodes)
    const first = await Promise.race([serving, signals.requested])
    if (typeof first === 'string') {
      // Nodes that are told to stop can't serve any more: that is no news.
      serving.catch(() => undefined)
      return EXIT_OK
    }
    this.#context.write(this.#renderTable(first))
    const ended = await Promise.race([signals.requested, this.#allGone.promise.then(() => null)])
    if (ended === null) this.#say('no node is left')
    return ended === null ? EXIT_FAILED : EXIT_OK
  }

  /** Every node that has served before is needed for a majority, so they start together. */
  async #startAll(nodes: readonly DemoNode[]): Promise<readonly Endpoints[]> {
    const [first, ...others] = nodes
    assert(first !== undefined)
    if (first.ports !== null) {
      const { peer } = first.ports
      return Promise.all([this.#start(first, null), ...others.map((node) => this.#start(node, peer))])
    }
    const created = await this.#start(first, null)
    const joined = others.map((node) => this.#start(node, created.peer.port))
    return [created, ...(await Promise.all(joined))]
  }

  async #start(node: DemoNode, joinPort: number | null): Promise<Endpoints> {
    const child = this.#launch(node, joinPort)
    const endpoints = await child.serving
    const remembered = await rememberPorts(node, endpoints)
    void child.exited.then((exit) => this.#onExit(remembered, joinPort, describeExit(exit)))
    return endpoints
  }

  #launch(node: DemoNode, joinPort: number | null): ChildNode {
    const { id, directory } = node
    const onLine = (line: string): void => this.#context.writeError(`${id} | ${line}\n`)
    const child = startChild({ id, directory, flags: startFlags(node, joinPort), onLine })
    this.#children.set(id, child)
    return child
  }

  #onExit(node: DemoNode, joinPort: number | null, how: string): void {
    this.#children.delete(node.id)
    if (this.#isStopping) return
    if (this.#options.restarts) {
      this.#say(`node ${node.id} ${how}; it is started again`)
      void this.#restart(node, joinPort)
      return
    }
    this.#say(`node ${node.id} ${how}; the others go on (--restart would start it again)`)
    if (this.#children.size === 0) this.#allGone.resolve()
  }

  async #restart(node: DemoNode, joinPort: number | null): Promise<void> {
    for (let attempt = 1; attempt <= RESTARTS_MAX; attempt++) {
      await new Promise((resolve) => setTimeout(resolve, RESTART_DELAY_MS))
      if (this.#isStopping) return
      try {
        await this.#start(node, joinPort)
        this.#say(`node ${node.id} serves again`)
        return
      } catch (thrown) {
        if (this.#isStopping) return
        reportError(this.#context, `restart ${attempt} of ${RESTARTS_MAX}`, thrown)
        await this.#endChild(node.id)
      }
    }
    this.#say(`node ${node.id} stays stopped`)
    if (this.#children.size === 0) this.#allGone.resolve()
  }

  async stopAll(): Promise<void> {
    this.#isStopping = true
    if (this.#children.size > 0) this.#say('stopping')
    await Promise.all([...this.#children.keys()].map((id) => this.#endChild(id)))
  }

  async #endChild(id: string): Promise<void> {
    const child = this.#children.get(id)
    if (child === undefined) return
    child.stop('SIGTERM')
    const timer = setTimeout(() => {
      this.#say(`node ${id} did not stop within ${STOP_TIMEOUT_MS / 1_000} s and is killed`)
      child.stop('SIGKILL')
    }, STOP_TIMEOUT_MS)
    await child.exited
    clearTimeout(timer)
    this.#children.delete(id)
  }

  /** On a second signal: nothing is waited for. */
  abandon(): never {
    for (const child of this.#children.values()) child.stop('SIGKILL')
    return this.#context.exit(EXIT_INTERRUPTED)
  }

  #renderTable(all: readonly Endpoints[]): string {
    const rows = all.map(({ nodeId, pid, redis, http, peer }) => [
      nodeId,
      showAddress(redis),
      `http://${showAddress(http)}`,
      showAddress(peer),
      pid,
    ])
    const seeds = all.map(({ redis }) => redis.port)
    return (
      `\n${renderColumns(['NODE', 'REDIS', 'HTTP', 'PEERS', 'PID'], rows)}\n` +
      `Try:    redis-cli -p ${seeds[0]} set greeting hello\n` +
      `Watch:  holdfast status --watch --data-dir ${this.#options.directory}\n` +
      `Break:  kill -9 ${all[0]?.pid}\n` +
      'Stop:   Ctrl-C\n\n'
    )
  }

  #say(text: string): void {
    this.#context.writeError(`demo | ${text}\n`)
  }
}
