/** How V8 collects garbage in the process of a node: for this process, from the next collection on. */
import { setFlagsFromString } from 'node:v8'

/**
 * Young objects are collected by the main thread alone. They are few megabytes each time, and the helpers
 * that V8 would wake compete with the engine's and the log's threads: where processors are short the main
 * thread stood and waited for them, for tens of milliseconds. Old objects are still marked by helpers beside it.
 */
const YOUNG_BY_MAIN_THREAD = '--no-parallel-scavenge'

/**
 * Left alone V8 waits with the old until the heap is several times what is in use: on a large machine that is
 * hundreds of megabytes, and every buffer that is only waiting to be collected comes on top. What a node has in
 * its heap is small (values lie outside of it), so that collecting more often costs little
 * (docs/performance.md). Beyond what was in use after the last collection, in percent.
 */
const OLD_GROWTH = '--heap-growing-percent=200'

export function tuneCollector(): void {
  setFlagsFromString(YOUNG_BY_MAIN_THREAD)
  setFlagsFromString(OLD_GROWTH)
}
