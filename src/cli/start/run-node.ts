/**
 * The life of a node's process: take the directory, open the HTTP port (so that probes are
 * answered during recovery), start the node, say where it serves, wait for a reason to end, end.
 *
 * Every way out is here: an orderly stop (0), a start that failed or a node that can't go on (1),
 * a second signal (130). Whatever the way, nothing acknowledged is lost: the orderly one only
 * saves the others an election and the next start a recovery.
 */
import assert from 'node:assert/strict'
import { resolve } from 'node:path'
import { storageError } from '../../base/errors.ts'
import type { HttpListener } from '../../env/http.ts'
import { createEventLoopMonitor } from '../../env-node/event-loop-monitor.ts'
import { listenHttp } from '../../env-node/http-server.ts'
import { createNodeLogger, type NodeLogger } from '../../env-node/node-logger.ts'
import { startWatchdog, type Watchdog } from '../../env-node/watchdog.ts'
import { makeHttpRoutes } from '../../server/http-routes.ts'
import { startNode } from '../../server/node.ts'
import type { NodeOptions, RunningNode } from '../../server/node-options.ts'
import { type CommandContext, EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK } from '../command-context.ts'
import { type Endpoints, removeEndpoints, writeEndpoints } from '../endpoints-file.ts'
import { loadOptions, loadPassword } from '../load-options.ts'
import { isLoopback } from '../options/check-together.ts'
import type { OptionName } from '../options/option-table.ts'
import type { ResolvedOptions } from '../options/resolve-options.ts'
import { showAddress } from '../options/value-kinds.ts'
import { reportError } from '../report-error.ts'
import { type ComposedWorld, composeWorld } from './compose-world.ts'
import { type TakenDirectory, takeDirectory } from './data-directory.ts'
import { explainDirectory, explainFailure } from './explain-failure.ts'
import { localHost, nodeOptionsFrom } from './node-options-from.ts'
import { makeProcessMetrics } from './process-metrics.ts'
import { readyLine } from './ready-line.ts'
import { watchStopSignals } from './stop-signals.ts'
import { tuneCollector } from './tune-collector.ts'

/** Beyond the node's own drain timeout, for flushing and closing. */
const CLOSE_TIMEOUT_MS = 1_000

type Running = {
  readonly node: RunningNode
  readonly http: HttpListener
  readonly composed: ComposedWorld
  readonly taken: TakenDirectory
  readonly watchdog: Watchdog
  readonly logger: NodeLogger
}

/** Resolves with the process's exit code. */
export async function runNode(
  flags: ReadonlyMap<OptionName, string>,
  context: CommandContext,
): Promise<number> {
  let resolved: ResolvedOptions
  try {
    resolved = await loadOptions(flags, context)
  } catch (thrown) {
    reportError(context, "can't start", thrown)
    return EXIT_FAILED
  }
  tuneCollector()
  const { values } = resolved
  const signals = watchStopSignals(
    process,
    () => context.exit(EXIT_INTERRUPTED),
    values['stop-with-stdin'] ? process.stdin : null,
  )
  const stopMs = values['drain-timeout'] + CLOSE_TIMEOUT_MS
  const starting = startAll(resolved, context)
  const started = await Promise.race([starting, signals.requested.then(() => afterMs(stopMs))])
  // A start that takes longer than a stop may: recovery begins again next time.
  if (started === null) return EXIT_OK
  if ('failure' in started) {
    const error = reportError(context, "can't start", started.failure)
    assert(error.code > 0)
    return EXIT_FAILED
  }
  const ended = await Promise.race([
    signals.requested.then((signal) => ({ signal })),
    started.node.failed.then((failure) => ({ failure })),
  ])
  if ('failure' in ended) {
    started.logger.error('the node can not go on', { error: ended.failure })
    reportError(context, 'the node can not go on', explainFailure(ended.failure, resolved))
  } else started.logger.info('stopping', { because: ended.signal })
  const isStopped = await stopAll(started, stopMs, context)
  return isStopped && 'signal' in ended ? EXIT_OK : EXIT_FAILED
}

async function startAll(
  resolved: ResolvedOptions,
  context: CommandContext,
): Promise<Running | { readonly failure: unknown }> {
  const directory = resolve(resolved.values['data-dir'])
  const undo: (() => Promise<void>)[] = []
  try {
    const password = await loadPassword(resolved)
    const taken = await takeDirectory(directory, context.processId).catch((thrown: unknown) => {
      throw explainDirectory(thrown, resolved)
    })
    undo.unshift(async () => taken.lock.release())
    const logger = openLogger(resolved)
    endOnUncaught(logger, context)
    warnOfExposure(resolved, logger)
    let answering: RunningNode | null = null
    const loop = createEventLoopMonitor()
    const processMetrics = makeProcessMetrics(loop)
    const routes = makeHttpRoutes({ node: () => answering, processMetrics })
    const http = await listenHttp(
      { host: resolved.values.host, port: resolved.values['http-port'] },
      routes,
      logger,
    )
    undo.unshift(() => http.close())
    const watchdog = await watch(resolved, logger)
    undo.unshift(() => watchdog.stop())
    const composed = composeWorld(directory, logger, resolved.values['max-connections'], watchdog, loop)
    undo.unshift(() => composed.close())
    const options = nodeOptionsFrom(resolved.values, {
      httpAddress: http.address,
      processId: context.processId,
      password,
    })
    const node = await startNode(composed.world, options)
    answering = node
    undo.unshift(
      () => removeEndpoints(directory),
      () => node.stop(),
    )
    const endpoints = endpointsOf(node, options, http)
    await writeEndpoints(directory, endpoints)
    context.write(readyLine(endpoints, resolved.values['data-dir']))
    return { node, http, composed, taken, watchdog, logger }
  } catch (thrown) {
    const failure = explainFailure(thrown, resolved)
    for (const step of undo) {
      await step().catch((error: unknown) => reportError(context, 'while giving up the start', error))
    }
    return { failure }
  }
}

/** False when it took too long, or failed; then the process ends without an orderly end. */
async function stopAll(running: Running, timeoutMs: number, context: CommandContext): Promise<boolean> {
  const { node, http, composed, taken, watchdog, logger } = running
  const stop = async (): Promise<true> => {
    await removeEndpoints(taken.directory)
    await node.stop()
    await http.close()
    await composed.close()
    await watchdog.stop()
    taken.lock.release()
    return true
  }
  try {
    const isStopped = (await Promise.race([stop(), afterMs(timeoutMs)])) ?? false
    if (!isStopped) {
      const message = `the node did not stop within ${timeoutMs} ms`
      throw storageError('deadlineExceeded', {
        message,
        hint: 'Nothing acknowledged is lost; the next start recovers.',
      })
    }
    logger.info('stopped')
    return true
  } catch (thrown) {
    logger.error('the stop failed', { error: thrown })
    reportError(context, 'the stop was not orderly', thrown)
    return false
  } finally {
    logger.flushSync()
  }
}

function endpointsOf(node: RunningNode, options: NodeOptions, http: HttpListener): Endpoints {
  const host = localHost(options.host)
  return {
    nodeId: node.nodeId,
    pid: options.processId,
    redis: { host, port: node.endpoints.redis.port },
    milvus: null,
    http: { host, port: http.address.port },
    peer: { host, port: node.endpoints.peer.port },
  }
}

function openLogger(resolved: ResolvedOptions): NodeLogger {
  return createNodeLogger({ level: resolved.values['log-level'], isPretty: isPretty(resolved) })
}

function isPretty({ values }: ResolvedOptions): boolean {
  const format = values['log-format']
  return format === 'text' || (format === 'auto' && process.stderr.isTTY === true)
}

/** It only observes: without it the node goes on, and says so. */
async function watch(resolved: ResolvedOptions, logger: NodeLogger): Promise<Watchdog> {
  const port = resolved.values['livez-port']
  const watchdog = await startWatchdog({
    listen: port === null ? null : { host: resolved.values.host, port },
    isPretty: isPretty(resolved),
    onDeath: (error) => logger.error('nobody watches any more whether this process is stuck', { error }),
  })
  if (watchdog.address !== null)
    logger.info('the watchdog answers GET /livez', { address: showAddress(watchdog.address) })
  return watchdog
}

function warnOfExposure({ values }: ResolvedOptions, logger: NodeLogger): void {
  if (isLoopback(values.host)) return
  if (values['force-insecure-bind']) {
    logger.warning('ports are open to other machines by force-insecure-bind', { host: values.host })
  } else {
    logger.warning(
      'the peer and HTTP ports are open to other machines and ask for no password: let only nodes reach them',
      {
        host: values.host,
      },
    )
  }
}

/** What nobody foresaw must end the process: it may have left anything half done. */
function endOnUncaught(logger: NodeLogger, context: CommandContext): void {
  process.on('uncaughtException', (thrown, origin) => {
    logger.error('the process ends: an error that nobody handled', { error: thrown, origin })
    logger.flushSync()
    reportError(context, 'the process ends', thrown)
    context.exit(EXIT_FAILED)
  })
}

function afterMs(delayMs: number): Promise<null> {
  return new Promise((resolve) => setTimeout(() => resolve(null), delayMs).unref())
}
