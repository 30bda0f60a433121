/** What a command may use of its process, so that tests can run commands without one. */

export type CommandContext = {
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly processId: number
  /** Standard output. */
  write(text: string): void
  /** Standard error. */
  writeError(text: string): void
  /** Ends the process without waiting for anything. */
  exit(code: number): never
}

export const EXIT_OK = 0
export const EXIT_FAILED = 1
/** What shells report for a process that Ctrl-C ended. */
export const EXIT_INTERRUPTED = 130
