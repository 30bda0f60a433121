/** CLIENT REPLY, PAUSE, UNPAUSE, UNBLOCK and what concerns tracking: how connections are served. */
import type { ByteString } from '../../base/bytes.ts'
import type { CommandFlag } from '../../kv/command-info.ts'
import { NOT_AN_INTEGER, SYNTAX_ERROR } from '../../kv/errors.ts'
import { parseInteger } from '../../kv/integers.ts'
import { error, OK } from '../../kv/reply.ts'
import { lowerCase } from '../lower-case.ts'
import { describeCommand, type RedisCommandHandler, type RedisCommandSpec } from '../redis-command-spec.ts'

const BAD_TIMEOUT = error('ERR timeout is not an integer or out of range')
const NEGATIVE_TIMEOUT = error('ERR timeout is negative')
const BAD_PAUSE_MODE = error('ERR CLIENT PAUSE mode must be WRITE or ALL')
const BAD_UNBLOCK_REASON = error('ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR')
const NO_TRACKING = error('ERR client side caching is not supported: CLIENT TRACKING can only be OFF')
const CACHING_WITHOUT_TRACKING = error(
  'ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled',
)
/** Longer pauses are cut: timers take no more. */
const PAUSE_MS_MAX = 24 * 3_600_000

const PLAIN: readonly CommandFlag[] = ['noscript', 'loading', 'stale']
const ADMIN: readonly CommandFlag[] = ['admin', ...PLAIN]

function subcommand(
  name: string,
  arity: number,
  since: string,
  flags: readonly CommandFlag[],
  summary: string,
  run: RedisCommandHandler,
): RedisCommandSpec {
  return { info: describeCommand({ name: `client|${name}`, arity, flags, since, summary }), run }
}

export const CLIENT_CACHING = subcommand(
  'caching',
  3,
  '6.0.0',
  PLAIN,
  'Refused: there is no tracking.',
  () => CACHING_WITHOUT_TRACKING,
)

export const CLIENT_GETREDIR = subcommand(
  'getredir',
  2,
  '6.0.0',
  PLAIN,
  'Answers -1: there is no tracking.',
  () => -1,
)

export const CLIENT_PAUSE = subcommand(
  'pause',
  -3,
  '3.0.0',
  ADMIN,
  'Lets the commands of all clients, or only the writes, wait for so many milliseconds.',
  (_session, args, server) => {
    const mode = args[3] === undefined ? 'all' : lowerCase(args[3])
    if (args.length > 4) return SYNTAX_ERROR
    if (mode !== 'all' && mode !== 'write') return BAD_PAUSE_MODE
    const durationMs = parseInteger(args[2] as ByteString)
    if (durationMs === null) return BAD_TIMEOUT
    if (durationMs < 0) return NEGATIVE_TIMEOUT
    server.pauseClients(Math.min(Number(durationMs), PAUSE_MS_MAX), mode)
    return OK
  },
)

export const CLIENT_REPLY = subcommand(
  'reply',
  3,
  '3.2.0',
  PLAIN,
  'Answers nothing any more, or not the next command, or everything again.',
  (session, args) => {
    const mode = lowerCase(args[2] as ByteString)
    if (mode !== 'on' && mode !== 'off' && mode !== 'skip') return SYNTAX_ERROR
    // While everything is silent, one command more makes no difference.
    if (mode !== 'skip' || session.replies !== 'off') session.replies = mode
    return OK
  },
)

export const CLIENT_TRACKING = subcommand(
  'tracking',
  -3,
  '6.0.0',
  PLAIN,
  'Refused unless it is OFF.',
  (_session, args) => {
    const mode = lowerCase(args[2] as ByteString)
    if (mode === 'off' && args.length === 3) return OK
    return mode === 'on' ? NO_TRACKING : SYNTAX_ERROR
  },
)

export const CLIENT_TRACKINGINFO = subcommand(
  'trackinginfo',
  2,
  '6.2.0',
  PLAIN,
  'Says that there is no tracking.',
  () => ({
    kind: 'map',
    entries: [
      ['flags', { kind: 'set', members: ['off'] }],
      ['redirect', -1],
      ['prefixes', []],
    ],
  }),
)

export const CLIENT_UNBLOCK = subcommand(
  'unblock',
  -3,
  '5.0.0',
  ADMIN,
  'Answers 0: no command blocks.',
  (_session, args) => {
    const reason = args[3] === undefined ? 'timeout' : lowerCase(args[3])
    if (args.length > 4) return SYNTAX_ERROR
    if (reason !== 'timeout' && reason !== 'error') return BAD_UNBLOCK_REASON
    return parseInteger(args[2] as ByteString) === null ? NOT_AN_INTEGER : 0
  },
)

export const CLIENT_UNPAUSE = subcommand(
  'unpause',
  2,
  '6.2.0',
  ADMIN,
  'Ends a pause.',
  (_session, _args, server) => {
    server.unpauseClients()
    return OK
  },
)
