/** Structured log lines. `fields` are plain data; secrets and values of users' keys never go in. */
export type LogFields = Readonly<Record<string, unknown>>

export interface Logger {
  debug(message: string, fields?: LogFields): void
  info(message: string, fields?: LogFields): void
  warning(message: string, fields?: LogFields): void
  error(message: string, fields?: LogFields): void
  /** A logger that adds `fields` to each of its lines. */
  with(fields: LogFields): Logger
}
