/** CLIENT: what a connection says about itself, and what an operator may ask about connections. */
import type { ByteString } from '../../base/bytes.ts'
import { SYNTAX_ERROR, wrongArity } from '../../kv/errors.ts'
import { error, OK, type Reply } from '../../kv/reply.ts'
import { isClientName } from '../client-name.ts'
import { lowerCase } from '../lower-case.ts'
import { describeCommand, helpReply, type RedisCommandSpec } from '../redis-command-spec.ts'
import { BAD_CLIENT_NAME } from '../redis-errors.ts'
import { CLIENT_KILL } from './client-kill.ts'
import { clientLine } from './client-line.ts'
import { CLIENT_LIST } from './client-list.ts'
import {
  CLIENT_CACHING,
  CLIENT_GETREDIR,
  CLIENT_PAUSE,
  CLIENT_REPLY,
  CLIENT_TRACKING,
  CLIENT_TRACKINGINFO,
  CLIENT_UNBLOCK,
  CLIENT_UNPAUSE,
} from './client-state.ts'

type Simple = Pick<RedisCommandSpec, 'run'> & {
  readonly name: string
  readonly arity: number
  readonly since: string
  readonly summary: string
  readonly isAdmin?: boolean
}

function subcommand(simple: Simple): RedisCommandSpec {
  const { name, arity, since, summary } = simple
  const flags =
    simple.isAdmin === true
      ? (['admin', 'noscript', 'loading', 'stale'] as const)
      : (['noscript', 'loading', 'stale'] as const)
  return { info: describeCommand({ name: `client|${name}`, arity, flags, since, summary }), run: simple.run }
}

const SUBCOMMANDS: readonly RedisCommandSpec[] = [
  CLIENT_CACHING,
  subcommand({
    name: 'getname',
    arity: 2,
    since: '2.6.9',
    summary: "Answers the connection's name.",
    run: (session) => (session.name === '' ? null : session.name),
  }),
  CLIENT_GETREDIR,
  {
    info: describeCommand({
      name: 'client|help',
      arity: 2,
      flags: ['loading', 'stale'],
      since: '5.0.0',
      summary: 'Lists the subcommands.',
    }),
    run: () =>
      helpReply('CLIENT', [
        ['CACHING (YES|NO)', 'Refused: there is no tracking.'],
        ['GETREDIR', 'Return -1: there is no tracking.'],
        ['GETNAME', "Return this connection's name."],
        ['ID', "Return this connection's number."],
        ['INFO', "Return this connection's line of CLIENT LIST."],
        ['KILL <ip:port>', 'Close the connection made from <ip:port>.'],
        [
          'KILL <option> <value> [<option> <value> ...]',
          'Close connections by ID, ADDR, LADDR, TYPE, USER; SKIPME YES|NO.',
        ],
        ['LIST [TYPE <type>] [ID <id> ...]', 'Return one line per connection.'],
        ['NO-EVICT (ON|OFF)', 'Accepted; connections are never evicted.'],
        ['NO-TOUCH (ON|OFF)', 'Accepted; reads never change what is kept.'],
        ['PAUSE <timeout> [WRITE|ALL]', 'Let commands wait for <timeout> milliseconds.'],
        ['REPLY (ON|OFF|SKIP)', 'Answer or do not answer this connection.'],
        ['SETINFO <option> <value>', 'Say which client library this is: LIB-NAME, LIB-VER.'],
        ['SETNAME <name>', 'Name this connection.'],
        ['TRACKING (ON|OFF)', 'Refused unless it is OFF.'],
        ['TRACKINGINFO', 'Say that there is no tracking.'],
        ['UNBLOCK <id> [TIMEOUT|ERROR]', 'Return 0: no command blocks.'],
        ['UNPAUSE', 'End a pause.'],
      ]),
  },
  subcommand({
    name: 'id',
    arity: 2,
    since: '5.0.0',
    summary: "Answers the connection's number.",
    run: (session) => session.id,
  }),
  subcommand({
    name: 'info',
    arity: 2,
    since: '6.2.0',
    summary: "Answers the connection's line of CLIENT LIST.",
    run: (session, _args, server) => ({
      kind: 'verbatim',
      format: 'txt',
      text: clientLine(session, server.monotonicMs()),
    }),
  }),
  CLIENT_KILL,
  CLIENT_LIST,
  subcommand({
    name: 'no-evict',
    arity: 3,
    since: '7.0.0',
    summary: 'Does nothing: connections are never evicted to save memory.',
    isAdmin: true,
    run: (_session, args) => acceptSwitch(args[2] as ByteString),
  }),
  subcommand({
    name: 'no-touch',
    arity: 3,
    since: '7.2.0',
    summary: 'Does nothing: there is no eviction that reads could influence.',
    run: (_session, args) => acceptSwitch(args[2] as ByteString),
  }),
  CLIENT_PAUSE,
  CLIENT_REPLY,
  subcommand({
    name: 'setinfo',
    arity: 4,
    since: '7.2.0',
    summary: "Stores the client library's name or version.",
    run: (session, args) => {
      const [option, value] = [args[2] as ByteString, args[3] as ByteString]
      const keyword = lowerCase(option)
      if (keyword !== 'lib-name' && keyword !== 'lib-ver') return error(`ERR Unrecognized option '${option}'`)
      if (!isClientName(value)) {
        return error(`ERR ${keyword} cannot contain spaces, newlines or special characters.`)
      }
      if (keyword === 'lib-name') session.libraryName = value
      else session.libraryVersion = value
      return OK
    },
  }),
  subcommand({
    name: 'setname',
    arity: 3,
    since: '2.6.9',
    summary: 'Names the connection; an empty name removes it.',
    run: (session, args) => {
      const name = args[2] as ByteString
      if (!isClientName(name)) return BAD_CLIENT_NAME
      session.name = name
      return OK
    },
  }),
  CLIENT_TRACKING,
  CLIENT_TRACKINGINFO,
  CLIENT_UNBLOCK,
  CLIENT_UNPAUSE,
]

function acceptSwitch(value: ByteString): Reply {
  const keyword = lowerCase(value)
  return keyword === 'on' || keyword === 'off' ? OK : SYNTAX_ERROR
}

export const CLIENT: RedisCommandSpec = {
  info: describeCommand({
    name: 'client',
    arity: -2,
    flags: [],
    categories: [],
    since: '2.4.0',
    summary: 'A container for commands about client connections.',
    complexity: 'Depends on the subcommand.',
  }),
  run: () => wrongArity('client'),
  subcommands: SUBCOMMANDS,
}
