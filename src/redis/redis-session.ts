/** What a Redis connection remembers between commands. Owned by one connection; lost with it. */
import type { ByteString } from '../base/bytes.ts'
import { ClientTransaction } from './client-transaction.ts'
import type { RespVersion } from './resp-encoder.ts'

export const DEFAULT_USER = 'default'

export type RedisSession = {
  /** Counts up from 1 for the life of the process; never used twice. */
  readonly id: number
  /** `host:port` of the client, and of our end, as CLIENT LIST shows them. */
  readonly remoteAddress: string
  readonly localAddress: string
  readonly connectedAtMs: number
  /** On the monotonic clock, as `connectedAtMs`. */
  lastActiveAtMs: number
  protocol: RespVersion
  /** Empty until CLIENT SETNAME or HELLO SETNAME. */
  name: ByteString
  libraryName: ByteString
  libraryVersion: ByteString
  user: string
  isAuthenticated: boolean
  /** Always 0: a cluster has one database. */
  readonly database: 0
  /** For CLIENT LIST: `get`, `client|info`; empty before the first command. */
  lastCommand: string
  readonly transaction: ClientTransaction
  /** CLIENT REPLY: `skip` leaves out the next reply. */
  replies: 'on' | 'off' | 'skip'
  /** Set by a command whose reply is the last one; the connection then closes. */
  closesAfterReply: boolean
}

export type RedisSessionSetup = {
  readonly id: number
  readonly remoteAddress: string
  readonly localAddress: string
  readonly nowMs: number
  /** True when no password is set: such a connection stays valid if one is set later, as in Redis. */
  readonly isAuthenticated: boolean
}

export function createRedisSession(setup: RedisSessionSetup): RedisSession {
  return {
    id: setup.id,
    remoteAddress: setup.remoteAddress,
    localAddress: setup.localAddress,
    connectedAtMs: setup.nowMs,
    lastActiveAtMs: setup.nowMs,
    protocol: 2,
    name: '',
    libraryName: '',
    libraryVersion: '',
    user: DEFAULT_USER,
    isAuthenticated: setup.isAuthenticated,
    database: 0,
    lastCommand: '',
    replies: 'on',
    transaction: new ClientTransaction(),
    closesAfterReply: false,
  }
}
