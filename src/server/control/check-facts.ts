/**
 * What a node that asks to join says of itself. It comes from outside and goes into the catalog of
 * every node, so it is checked before it is proposed.
 */
import { MalformedBytes } from '../../base/byte-reader.ts'
import { isNodeId } from '../../base/ids.ts'
import type { Endpoint } from '../../cluster/catalog.ts'
import type { NodeFacts } from '../../cluster/cluster-machine.ts'

const JOIN_TOKEN_PATTERN = /^[0-9a-f]{32}$/
/** Of a name in the domain name system. */
const HOST_LENGTH_MAX = 253
const PORT_MAX = 65_535

export function checkFacts(value: unknown): NodeFacts {
  const record = recordOf(value, 'a node')
  const { nodeId, joinToken, processId } = record
  if (typeof nodeId !== 'string' || !isNodeId(nodeId)) throw new MalformedBytes('a node with an invalid id')
  if (typeof joinToken !== 'string' || !JOIN_TOKEN_PATTERN.test(joinToken))
    throw new MalformedBytes('a node with an invalid token')
  if (!Number.isSafeInteger(processId)) throw new MalformedBytes('a node with an invalid process id')
  return {
    nodeId,
    joinToken,
    peer: endpointOf(record['peer']),
    redis: endpointOf(record['redis']),
    http: record['http'] === null ? null : endpointOf(record['http']),
    processId: processId as number,
  }
}

function endpointOf(value: unknown): Endpoint {
  const { host, port } = recordOf(value, 'an address')
  if (typeof host !== 'string' || host === '' || host.length > HOST_LENGTH_MAX)
    throw new MalformedBytes('an address with an invalid host')
  if (!Number.isSafeInteger(port) || (port as number) < 1 || (port as number) > PORT_MAX)
    throw new MalformedBytes('an address with an invalid port')
  return { host, port: port as number }
}

function recordOf(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new MalformedBytes(`${what} that is no record`)
  return value as Record<string, unknown>
}
