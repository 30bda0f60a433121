/**
 * WAIT and WAITAOF: how many replicas have what this connection wrote.
 *
 * Replies leave in the order of the requests, and a write is answered only when a majority of its
 * group has it on stable storage. So when this is answered, at least so many have it, and the number
 * is answered without waiting for more.
 */
import type { ByteString } from '../../base/bytes.ts'
import { NOT_AN_INTEGER } from '../../kv/errors.ts'
import { parseInteger } from '../../kv/integers.ts'
import { type ErrorReply, error } from '../../kv/reply.ts'
import { describeCommand, type RedisCommandSpec } from '../redis-command-spec.ts'

const BAD_TIMEOUT = error('ERR timeout is not an integer or out of range')
const NEGATIVE_TIMEOUT = error('ERR timeout is negative')
const NOT_IN_RANGE = error('ERR value is out of range, value must between 0 and 1')
const NOT_POSITIVE = error('ERR value is out of range, must be positive')

export const WAIT: RedisCommandSpec = {
  info: describeCommand({
    name: 'wait',
    arity: 3,
    flags: ['noscript'],
    summary: 'Answers how many replicas, besides one, certainly have the writes of the connection.',
    since: '3.0.0',
    group: 'generic',
  }),
  run: (_session, args, server) => {
    const fault = checkTimeout(args[2] as ByteString)
    if (parseInteger(args[1] as ByteString) === null) return NOT_AN_INTEGER
    return fault ?? server.certainReplicas()
  },
}

export const WAITAOF: RedisCommandSpec = {
  info: describeCommand({
    name: 'waitaof',
    arity: 4,
    flags: ['noscript'],
    summary: 'Answers on how many nodes the writes of the connection are certainly on stable storage.',
    since: '7.2.0',
    group: 'generic',
  }),
  run: (_session, args, server) => {
    const local = parseInteger(args[1] as ByteString)
    const replicas = parseInteger(args[2] as ByteString)
    if (local === null || replicas === null) return NOT_AN_INTEGER
    if (local < 0 || local > 1) return NOT_IN_RANGE
    if (replicas < 0) return NOT_POSITIVE
    return checkTimeout(args[3] as ByteString) ?? [1, server.certainReplicas()]
  },
}

function checkTimeout(text: ByteString): ErrorReply | null {
  const timeoutMs = parseInteger(text)
  if (timeoutMs === null) return BAD_TIMEOUT
  return timeoutMs < 0 ? NEGATIVE_TIMEOUT : null
}
