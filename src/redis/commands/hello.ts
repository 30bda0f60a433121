/** HELLO [2|3 [AUTH user password] [SETNAME name]]: the handshake. A wrong option or password changes nothing. */
import type { ByteString } from '../../base/bytes.ts'
import { parseInteger } from '../../kv/integers.ts'
import { type ErrorReply, error, type Reply } from '../../kv/reply.ts'
import { authenticate, needsAuthentication } from '../authentication.ts'
import { isClientName } from '../client-name.ts'
import { lowerCase } from '../lower-case.ts'
import { describeCommand, type RedisCommandSpec } from '../redis-command-spec.ts'
import { BAD_CLIENT_NAME, WRONG_PASSWORD } from '../redis-errors.ts'
import type { RedisSession } from '../redis-session.ts'
import { REDIS_VERSION, type ServerFacts } from '../server-facts.ts'

const NOT_A_VERSION = error('ERR Protocol version is not an integer or out of range')
const NO_SUCH_PROTOCOL = error('NOPROTO unsupported protocol version')
const NOT_AUTHENTICATED = error(
  'NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH ' +
    '<user> <pass> option can be used to authenticate the client and select the RESP protocol ' +
    'version at the same time',
)

export const HELLO: RedisCommandSpec = {
  info: describeCommand({
    name: 'hello',
    arity: -1,
    flags: ['noscript', 'loading', 'stale', 'fast', 'no_auth', 'allow_busy'],
    summary: 'Agrees on the protocol version, and authenticates and names the connection if asked to.',
    since: '6.0.0',
  }),
  run: (session, args, server) => {
    const wanted = args[1] === undefined ? session.protocol : parseInteger(args[1])
    if (wanted === null) return NOT_A_VERSION
    if (wanted !== 2 && wanted !== 3) return NO_SUCH_PROTOCOL
    const options = readOptions(args)
    if ('kind' in options) return options
    if (options.credentials !== null) {
      const [user, password] = options.credentials
      if (!authenticate(session, server, user, password)) return WRONG_PASSWORD
    }
    if (needsAuthentication(session, server)) return NOT_AUTHENTICATED
    if (options.name !== null) session.name = options.name
    session.protocol = wanted
    return greeting(session, server)
  },
}

type HelloOptions = {
  readonly credentials: readonly [user: ByteString, password: ByteString] | null
  readonly name: ByteString | null
}

function readOptions(args: readonly ByteString[]): HelloOptions | ErrorReply {
  let credentials: HelloOptions['credentials'] = null
  let name: ByteString | null = null
  for (let index = 2; index < args.length; ) {
    const option = args[index] as ByteString
    const [first, second] = [args[index + 1], args[index + 2]]
    const keyword = lowerCase(option)
    if (keyword === 'auth' && first !== undefined && second !== undefined) {
      credentials = [first, second]
      index += 3
    } else if (keyword === 'setname' && first !== undefined) {
      if (!isClientName(first)) return BAD_CLIENT_NAME
      name = first
      index += 2
    } else return error(`ERR Syntax error in HELLO option '${option}'`)
  }
  return { credentials, name }
}

function greeting(session: RedisSession, server: ServerFacts): Reply {
  return {
    kind: 'map',
    entries: [
      ['server', 'redis'],
      ['version', REDIS_VERSION],
      ['proto', session.protocol],
      ['id', session.id],
      ['mode', server.configuration.isClustered ? 'cluster' : 'standalone'],
      ['role', server.role()],
      ['modules', []],
    ],
  }
}
