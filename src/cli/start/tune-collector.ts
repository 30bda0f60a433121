/** How V8 collects garbage in the process of a node. */
import { setFlagsFromString } from 'node:v8'

/**
 * Young objects are collected by the main thread alone. They are few megabytes each time, and the helpers
 * that V8 would wake compete with the engine's and the log's threads: where processors are short the main
 * thread stood and waited for them, for tens of milliseconds. Old objects are still marked by helpers beside it.
 */
export function tuneCollector(): void {
  setFlagsFromString('--no-parallel-scavenge')
}
