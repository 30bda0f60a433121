/** The one place where a node's interfaces to the world get the real one behind them. */
import { join } from 'node:path'
import type { Logger } from '../../env/logger.ts'
import { createRocksEngineStore } from '../../env-node/engine/rocksdb-store.ts'
import type { EventLoopMonitor } from '../../env-node/event-loop-monitor.ts'
import { createNodeClock } from '../../env-node/node-clock.ts'
import { createNodeDisk } from '../../env-node/node-disk.ts'
import { createNodeNetwork } from '../../env-node/node-network.ts'
import { createNodeRandom } from '../../env-node/node-random.ts'
import type { Watchdog } from '../../env-node/watchdog.ts'
import type { World } from '../../server/node-options.ts'

/** Beyond what the node answers, so that it, and not the socket, says that there are too many. */
const CONNECTIONS_HEADROOM = 1_000

export type ComposedWorld = {
  readonly world: World
  /** After the node stopped. */
  close(): Promise<void>
}

export function composeWorld(
  directory: string,
  logger: Logger,
  maxConnections: number,
  watchdog: Watchdog,
  loop: EventLoopMonitor,
): ComposedWorld {
  const disk = createNodeDisk({ directory, dedicatedProgress: watchdog })
  const network = createNodeNetwork({
    maxConnections: maxConnections + CONNECTIONS_HEADROOM,
    onAcceptFault: (fault) => logger.warning('a connection could not be accepted', { error: fault }),
  })
  const engines = createRocksEngineStore({ directory: join(directory, 'engines'), log: logger })
  const world: World = {
    clock: createNodeClock((lateMs) => loop.timerFired(lateMs)),
    random: createNodeRandom(),
    disk,
    network,
    engines,
    logger,
  }
  return { world, close: () => disk.close() }
}
