/**
 * A `RedisConnection` without a server or socket: facts are made up, turns end when the test says
 * so, and what is written is collected.
 */
import { Buffer } from 'node:buffer'
import type { ByteString } from '../../src/base/bytes.ts'
import type { Reply } from '../../src/kv/reply.ts'
import { ClientPause } from '../../src/redis/client-pause.ts'
import { CommandStatistics } from '../../src/redis/command-statistics.ts'
import type { CommandTable } from '../../src/redis/command-table.ts'
import type { ParsedCommand, ParsedTransaction } from '../../src/redis/data-request.ts'
import { createRedisConfiguration } from '../../src/redis/redis-configuration.ts'
import {
  createRedisConnection,
  type RedisConnection,
  type RedisConnectionOptions,
} from '../../src/redis/redis-connection.ts'
import { createRedisSession, type RedisSession } from '../../src/redis/redis-session.ts'
import { createRedisCounters, type ServerFacts } from '../../src/redis/server-facts.ts'

export type LooseServer = ServerFacts & {
  readonly open: Map<number, RedisSession>
  readonly closedIds: number[]
  nowMs: number
}

export function createLooseServer(table: CommandTable, password: ByteString = ''): LooseServer {
  const open = new Map<number, RedisSession>()
  const closedIds: number[] = []
  return {
    open,
    closedIds,
    nowMs: 5000,
    commands: table,
    configuration: createRedisConfiguration({
      host: '127.0.0.1',
      port: () => 6379,
      dataDirectory: '/data',
      password,
    }),
    identity: {
      holdfastVersion: '0.1.0',
      nodeId: 'n1',
      runId: 'a'.repeat(40),
      processId: 1234,
      redisPort: 6379,
      operatingSystem: 'Linux',
      startedAtMonotonicMs: 1000,
    },
    counters: createRedisCounters(),
    statistics: new CommandStatistics(
      () => ({ slowerThanUs: 10_000, entriesMax: 128 }),
      () => 1_700_000_000_123,
    ),
    clientPause: new ClientPause(),
    wallMs: () => 1_700_000_000_123,
    monotonicMs() {
      return this.nowMs
    },
    role: () => 'master',
    isLoading: () => false,
    keyspace: () => ({ keys: 3, expires: 1 }),
    usedMemoryBytes: () => 3 * 1024 * 1024,
    residentMemoryBytes: () => 5 * 1024 * 1024,
    peakMemoryBytes: () => 4 * 1024 * 1024,
    connectedReplicas: () => 2,
    certainReplicas: () => 0,
    pauseClients(durationMs, mode) {
      this.clientPause.begin(this.nowMs, this.nowMs + durationMs, mode)
    },
    unpauseClients() {
      this.clientPause.end()
    },
    sessions: () => open.values(),
    closeSession: (id) => {
      closedIds.push(id)
      open.delete(id)
    },
    holdfastFacts: () => [['groups', 2]],
  }
}

export type Executor = (command: ParsedCommand, respond: (reply: Reply) => void) => void
export type TransactionExecutor = (transaction: ParsedTransaction, respond: (reply: Reply) => void) => void

type LooseOptions = Pick<RedisConnectionOptions, 'maxPipelined' | 'maxOutputBytes'> & {
  readonly transact?: TransactionExecutor
}

export type LooseConnection = {
  readonly connection: RedisConnection
  /** Each call of `write`. */
  readonly writes: ByteString[]
  /** `pause`, `resume`, `end`, `destroy`, in order. */
  readonly events: string[]
  /** What the socket still holds back. */
  bufferedBytes: number
  receive(bytes: ByteString): void
  endTurn(): void
  /** Whether anything waits for the end of a turn, or for a later one. */
  readonly isWaiting: boolean
  /** Everything written since the last call. */
  take(): ByteString
}

export function connectLoosely(
  server: LooseServer,
  execute: Executor,
  { transact, ...limits }: LooseOptions = {},
): LooseConnection {
  const id = server.open.size + server.closedIds.length + 1
  const session = createRedisSession({
    id,
    remoteAddress: `127.0.0.1:${40_000 + id}`,
    localAddress: '127.0.0.1:6379',
    nowMs: server.monotonicMs(),
    isAuthenticated: server.configuration.password === '',
  })
  server.open.set(id, session)
  let turnEnds: (() => void)[] = []
  const loose: Omit<LooseConnection, 'connection'> = {
    writes: [],
    events: [],
    bufferedBytes: 0,
    receive: (bytes) => connection.receive(Buffer.from(bytes, 'latin1')),
    endTurn: () => {
      const due = turnEnds
      turnEnds = []
      for (const run of due) run()
    },
    get isWaiting() {
      return turnEnds.length > 0
    },
    take: () => loose.writes.splice(0).join(''),
  }
  const connection = createRedisConnection({
    session,
    server,
    table: server.commands as CommandTable,
    execute: (request, respond) => {
      if (request.kind === 'command') execute(request, respond)
      else if (transact !== undefined) transact(request, respond)
      else throw new Error('this test has no transactions')
    },
    write: (bytes) => loose.writes.push(bytes),
    bufferedBytes: () => loose.bufferedBytes,
    endOfTurn: (run) => turnEnds.push(run),
    laterTurn: (run) => turnEnds.push(run),
    pauseChanged: (isPaused) => loose.events.push(isPaused ? 'pause' : 'resume'),
    end: () => loose.events.push('end'),
    destroy: () => loose.events.push('destroy'),
    ...limits,
  })
  return Object.assign(loose, { connection })
}
