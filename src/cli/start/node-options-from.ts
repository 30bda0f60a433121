/** From options as an operator writes them to those a node takes. */
import { arch, hostname, release, type } from 'node:os'
import { resolve } from 'node:path'
import type { Address } from '../../env/network.ts'
import type { NodeOptions } from '../../server/node-options.ts'
import type { OptionValues } from '../options/option-table.ts'

export type Bound = {
  readonly httpAddress: Address
  readonly processId: number
  readonly password: string | null
}

export function nodeOptionsFrom(values: OptionValues, bound: Bound): NodeOptions {
  const advertiseHost = values['advertise-host'] ?? (isWildcard(values.host) ? hostname() : values.host)
  return {
    nodeId: values['node-id'],
    host: values.host,
    advertiseHost,
    redisPort: values['redis-port'],
    peerPort: values['peer-port'],
    operatingSystem: `${type()} ${release()} ${arch()}`,
    dataDirectory: resolve(values['data-dir']),
    httpAddress: { host: advertiseHost, port: bound.httpAddress.port },
    processId: bound.processId,
    residentMemoryBytes: () => process.memoryUsage.rss(),
    join: values.join ?? [],
    roles: values.roles,
    password: bound.password,
    heartbeatMs: values.heartbeat,
    electionTimeoutMs: values['election-timeout'],
    maxValueBytes: values['max-value-size'],
    maxMemoryBytes: values['max-memory'],
    maxConnections: values['max-connections'],
    drainTimeoutMs: values['drain-timeout'],
  }
}

/** The host at which a process of this machine reaches a listener that is bound to `host`. */
export function localHost(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1'
  return host === '::' ? '::1' : host
}

export function isWildcard(host: string): boolean {
  return host === '0.0.0.0' || host === '::'
}
