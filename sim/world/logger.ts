/**
 * Log lines of all simulated nodes in one list, each with the virtual time: the story that a failing
 * seed tells. Bounded: the oldest lines go first, and how many went is told.
 */
import type { LogFields, Logger } from '../../src/env/logger.ts'
import type { Scheduler } from './scheduler.ts'

export type SimLogLevel = 'debug' | 'info' | 'warning' | 'error'

export type SimLogLine = {
  readonly timeMs: number
  readonly node: string
  readonly level: SimLogLevel
  readonly message: string
  readonly fields: LogFields
}

export interface SimLog {
  logger(node: string): Logger
  readonly lines: readonly SimLogLine[]
  /** One text line per entry, oldest first; only the last `count`. */
  story(count?: number): string
}

export const DEFAULT_MAX_LINES = 10_000

/** `onLine` gets every line as it is written. */
export function createSimLog(
  scheduler: Scheduler,
  maxLines: number = DEFAULT_MAX_LINES,
  onLine: ((line: string) => void) | null = null,
): SimLog {
  let lines: SimLogLine[] = []
  let droppedLines = 0

  function add(node: string, level: SimLogLevel, message: string, fields: LogFields): void {
    const line = { timeMs: scheduler.nowMs, node, level, message, fields }
    lines.push(line)
    onLine?.(formatLine(line))
    if (lines.length < maxLines * 2) return
    droppedLines += lines.length - maxLines
    lines = lines.slice(-maxLines)
  }

  function logger(node: string, bound: LogFields): Logger {
    const at = (level: SimLogLevel) => (message: string, fields?: LogFields) =>
      add(node, level, message, fields === undefined ? bound : { ...bound, ...fields })
    return {
      debug: at('debug'),
      info: at('info'),
      warning: at('warning'),
      error: at('error'),
      with: (fields) => logger(node, { ...bound, ...fields }),
    }
  }

  function story(count: number = maxLines): string {
    const shown = lines.slice(-count)
    const hidden = droppedLines + lines.length - shown.length
    const head = hidden > 0 ? [`… ${hidden} earlier lines`] : []
    return [...head, ...shown.map(formatLine)].join('\n')
  }

  return {
    logger: (node) => logger(node, {}),
    story,
    get lines() {
      return lines
    },
  }
}

function formatLine(line: SimLogLine): string {
  const fields = Object.entries(line.fields).map(([name, value]) => ` ${name}=${formatValue(value)}`)
  const time = line.timeMs.toFixed(3).padStart(12)
  return `${time} ${line.node} ${line.level.padEnd(7)} ${line.message}${fields.join('')}`
}

function formatValue(value: unknown): string {
  if (value instanceof Error) return JSON.stringify(value.message)
  if (typeof value === 'bigint') return value.toString()
  return JSON.stringify(value) ?? String(value)
}
