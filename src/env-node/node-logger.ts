/**
 * Log lines of the process, by pino: one JSON object per line, or one readable line per entry on a
 * terminal. Lines go out in the background: a reader that stalls (a full pipe, a hung terminal)
 * costs lines, never time, and how many were lost is said in the next line that gets through.
 */
import {
  type DestinationStream,
  destination,
  type LoggerOptions,
  type Logger as Pino,
  pino,
  stdSerializers,
} from 'pino'
import type { LogFields, Logger } from '../env/logger.ts'
import { formatPrettyLine } from './pretty-line.ts'

export type LogLevel = 'debug' | 'info' | 'warning' | 'error'

export type NodeLoggerOptions = {
  readonly level: LogLevel
  /** For people: one short line per entry instead of JSON. */
  readonly isPretty?: boolean
  /** A file's path or a descriptor; standard error when absent, so that standard output stays the command's own. */
  readonly target?: string | number
  /** In every line; the node's id, say. */
  readonly fields?: LogFields
}

export interface NodeLogger extends Logger {
  /**
   * Hands every waiting line to the operating system before it returns, for the last lines of a process. Lines
   * that a thread is writing at that moment are not waited for: they may come after the others.
   */
  flushSync(): void
}

/** Lines waiting for a slow reader beyond this are lost. */
export const MAX_WAITING_BYTES = 16 * 1024 * 1024

const STANDARD_ERROR = 2
const REDACTED_FIELDS = [
  'password',
  'secret',
  'token',
  'authorization',
  'accessKey',
  'secretKey',
  'connectionString',
]

export function createNodeLogger(options: NodeLoggerOptions): NodeLogger {
  const sink = destination({
    dest: options.target ?? STANDARD_ERROR,
    sync: false,
    mkdir: false,
    maxLength: MAX_WAITING_BYTES,
  })
  const stream: DestinationStream =
    options.isPretty === true ? { write: (line) => void sink.write(formatPrettyLine(line)) } : sink
  const logger = pino(pinoOptions(options), stream)
  let lostLines = 0
  sink.on('drop', () => {
    lostLines++
  })
  sink.on('drain', () => {
    if (lostLines === 0) return
    logger.warn({ lostLines }, 'log lines were lost because their reader was too slow')
    lostLines = 0
  })
  return { ...wrap(logger), flushSync: () => sink.flushSync() }
}

function pinoOptions(options: NodeLoggerOptions): LoggerOptions {
  return {
    level: options.level === 'warning' ? 'warn' : options.level,
    base: options.fields ?? {},
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    messageKey: 'message',
    formatters: { level: (label) => ({ level: label === 'warn' ? 'warning' : label }) },
    serializers: { error: stdSerializers.errWithCause, cause: stdSerializers.errWithCause },
    redact: { paths: REDACTED_FIELDS.flatMap((name) => [name, `*.${name}`]), censor: '[redacted]' },
  }
}

function wrap(logger: Pino): Logger {
  return {
    debug: (message, fields) => logger.debug(fields ?? {}, message),
    info: (message, fields) => logger.info(fields ?? {}, message),
    warning: (message, fields) => logger.warn(fields ?? {}, message),
    error: (message, fields) => logger.error(fields ?? {}, message),
    with: (fields) => wrap(logger.child(fields)),
  }
}
