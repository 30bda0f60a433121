import { AUTH } from './commands/auth.ts'
import { CLIENT } from './commands/client.ts'
import { COMMAND } from './commands/command.ts'
import { CONFIG } from './commands/config.ts'
import { DISCARD } from './commands/discard.ts'
import { ECHO } from './commands/echo.ts'
import { EXEC } from './commands/exec.ts'
import { HELLO } from './commands/hello.ts'
import { INFO } from './commands/info.ts'
import { LATENCY } from './commands/latency.ts'
import { LOLWUT } from './commands/lolwut.ts'
import { MEMORY } from './commands/memory.ts'
import { MULTI } from './commands/multi.ts'
import { OBJECT } from './commands/object.ts'
import { PING } from './commands/ping.ts'
import { QUIT } from './commands/quit.ts'
import { RESET } from './commands/reset.ts'
import { SELECT } from './commands/select.ts'
import { SLOWLOG } from './commands/slowlog.ts'
import { TIME } from './commands/time.ts'
import { UNWATCH } from './commands/unwatch.ts'
import { WAIT, WAITAOF } from './commands/wait.ts'
import { WATCH } from './commands/watch.ts'
import type { RedisCommandSpec } from './redis-command-spec.ts'

/** The commands that a connection answers by itself. */
export const CONNECTION_COMMANDS: readonly RedisCommandSpec[] = [
  AUTH,
  CLIENT,
  COMMAND,
  CONFIG,
  DISCARD,
  ECHO,
  EXEC,
  HELLO,
  INFO,
  LATENCY,
  LOLWUT,
  SLOWLOG,
  MEMORY,
  MULTI,
  OBJECT,
  PING,
  QUIT,
  RESET,
  SELECT,
  TIME,
  UNWATCH,
  WAIT,
  WAITAOF,
  WATCH,
]
