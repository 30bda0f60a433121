/** INFO [section …]: the server in Redis' fields, as far as they are true here, and our own section. */
import type { ByteString } from '../../base/bytes.ts'
import type { Reply } from '../../kv/reply.ts'
import { lowerCase } from '../lower-case.ts'
import { describeCommand, type RedisCommandSpec } from '../redis-command-spec.ts'
import { REDIS_VERSION, type ServerFacts } from '../server-facts.ts'

type Field = readonly [name: string, value: string | number]
/** `onlyOnDemand`: not among those that INFO without arguments answers. */
type Section = {
  readonly title: string
  readonly onlyOnDemand?: true
  readonly fields: (server: ServerFacts) => readonly Field[]
}

const SECONDS_PER_DAY = 86_400

const SECTIONS: readonly Section[] = [
  { title: 'Server', fields: serverFields },
  { title: 'Clients', fields: clientFields },
  { title: 'Memory', fields: memoryFields },
  { title: 'Persistence', fields: persistenceFields },
  { title: 'Stats', fields: statsFields },
  { title: 'Replication', fields: replicationFields },
  { title: 'Commandstats', onlyOnDemand: true, fields: commandFields },
  { title: 'Errorstats', fields: errorFields },
  { title: 'Cluster', fields: (server) => [['cluster_enabled', flag(server.configuration.isClustered)]] },
  { title: 'Keyspace', fields: keyspaceFields },
  { title: 'Holdfast', fields: (server) => server.holdfastFacts() },
]

const ALL_NAMES: readonly string[] = ['all', 'everything']

export const INFO: RedisCommandSpec = {
  info: describeCommand({
    name: 'info',
    arity: -1,
    flags: ['loading', 'stale'],
    categories: ['@dangerous'],
    since: '1.0.0',
    summary: 'Answers facts and counters of the server.',
    group: 'server',
  }),
  run: (_session, args, server) => {
    const names = new Set(args.slice(1).map(lowerCase))
    const wantsAll = ALL_NAMES.some((name) => names.has(name))
    const wantsUsual = names.size === 0 || names.has('default')
    const sections = SECTIONS.filter(({ title, onlyOnDemand }) => {
      return wantsAll || (wantsUsual && onlyOnDemand !== true) || names.has(title.toLowerCase())
    })
    const text: ByteString = sections.map((section) => render(section, server)).join('\r\n')
    return { kind: 'verbatim', format: 'txt', text } satisfies Reply
  },
}

function render(section: Section, server: ServerFacts): ByteString {
  const lines = section.fields(server).map(([name, value]) => `${name}:${value}\r\n`)
  return `# ${section.title}\r\n${lines.join('')}`
}

function serverFields(server: ServerFacts): Field[] {
  const { identity } = server
  const uptimeSeconds = Math.floor((server.monotonicMs() - identity.startedAtMonotonicMs) / 1000)
  return [
    ['redis_version', REDIS_VERSION],
    ['redis_mode', server.configuration.isClustered ? 'cluster' : 'standalone'],
    ['os', identity.operatingSystem],
    ['arch_bits', 64],
    ['process_id', identity.processId],
    ['run_id', identity.runId],
    ['tcp_port', identity.redisPort],
    ['server_time_usec', server.wallMs() * 1000],
    ['uptime_in_seconds', uptimeSeconds],
    ['uptime_in_days', Math.floor(uptimeSeconds / SECONDS_PER_DAY)],
    ['server_name', 'holdfast'],
    ['holdfast_version', identity.holdfastVersion],
    ['holdfast_node_id', identity.nodeId],
  ]
}

function clientFields(server: ServerFacts): Field[] {
  let connected = 0
  for (const _session of server.sessions()) connected++
  return [
    ['connected_clients', connected],
    ['maxclients', server.configuration.maxClients],
    ['blocked_clients', 0],
    ['tracking_clients', 0],
  ]
}

/** `used_memory` is what max-memory bounds: cached values and writes on their way to the engine. */
function memoryFields(server: ServerFacts): Field[] {
  const usedBytes = server.usedMemoryBytes()
  const residentBytes = server.residentMemoryBytes()
  return [
    ['used_memory', usedBytes],
    ['used_memory_human', megabytes(usedBytes)],
    ...(residentBytes === null ? [] : residentFields(residentBytes)),
    ['used_memory_peak', server.peakMemoryBytes()],
    ['used_memory_peak_human', megabytes(server.peakMemoryBytes())],
    ['maxmemory', 0],
    ['maxmemory_human', '0B'],
    ['maxmemory_policy', 'noeviction'],
  ]
}

function residentFields(bytes: number): Field[] {
  return [
    ['used_memory_rss', bytes],
    ['used_memory_rss_human', megabytes(bytes)],
  ]
}

// Every acknowledged write is on stable storage: Redis' words for that are "AOF, fsync always".
function persistenceFields(server: ServerFacts): Field[] {
  return [
    ['loading', flag(server.isLoading())],
    ['async_loading', 0],
    ['rdb_bgsave_in_progress', 0],
    ['aof_enabled', 1],
    ['aof_rewrite_in_progress', 0],
  ]
}

function statsFields(server: ServerFacts): Field[] {
  const { counters } = server
  return [
    ['total_connections_received', counters.connectionsReceived],
    ['total_commands_processed', counters.commandsProcessed],
    ['instantaneous_ops_per_sec', server.statistics.operationsPerSecond(server.monotonicMs())],
    ['total_net_input_bytes', counters.inputBytes],
    ['total_net_output_bytes', counters.outputBytes],
    ['rejected_connections', counters.connectionsRejected],
    ['evicted_keys', 0],
    ['total_error_replies', counters.errorReplies],
  ]
}

function replicationFields(server: ServerFacts): Field[] {
  return [
    ['role', server.role() === 'master' ? 'master' : 'slave'],
    ['connected_slaves', server.connectedReplicas()],
    ['master_failover_state', 'no-failover'],
  ]
}

function keyspaceFields(server: ServerFacts): Field[] {
  const keyspace = server.keyspace()
  if (keyspace === null || keyspace.keys === 0) return []
  const { keys, expires } = keyspace
  return [['db0', expires === undefined ? `keys=${keys}` : `keys=${keys},expires=${expires},avg_ttl=0`]]
}

function commandFields(server: ServerFacts): Field[] {
  return server.statistics.commands.map(([name, { calls, durationMs, failures }]) => {
    const microseconds = Math.round(durationMs * 1000)
    const each = (microseconds / calls).toFixed(2)
    const value = `calls=${calls},usec=${microseconds},usec_per_call=${each},rejected_calls=0,failed_calls=${failures}`
    return [`cmdstat_${name}`, value]
  })
}

function errorFields(server: ServerFacts): Field[] {
  return server.statistics.errors.map(([prefix, count]) => [`errorstat_${prefix}`, `count=${count}`])
}

function megabytes(bytes: number): string {
  return `${(bytes / 1024 ** 2).toFixed(2)}M`
}

function flag(value: boolean): number {
  return value ? 1 : 0
}
