/** The one line that says that a node serves, and where. Scripts may wait for `is serving`. */
import type { Endpoints } from '../endpoints-file.ts'
import { showAddress } from '../options/value-kinds.ts'

export function readyLine(endpoints: Endpoints, directory: string): string {
  const { nodeId, pid, redis, milvus, http, peer } = endpoints
  const places = [
    `redis://${showAddress(redis)}`,
    ...(milvus === null ? [] : [`milvus http://${showAddress(milvus)}`]),
    `http://${showAddress(http)}`,
    `peers ${showAddress(peer)}`,
  ]
  return `holdfast ${nodeId} is serving: ${places.join(', ')} (data ${directory}, pid ${pid})\n`
}
