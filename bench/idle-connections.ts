/**
 * What clients cost that are connected and silent.
 *
 *   node bench/idle-connections.ts [--connections 10000]
 *
 * Each sends one PING, so that the node has made what it keeps for it, and then nothing.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createConnection, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { Endpoint } from '../test/nemesis/node-process.ts'
import { numberOption } from '../tools/number-option.ts'
import { printRows, withNode } from './own-node.ts'
import { cpuMicroseconds, residentMib } from './process-usage.ts'

const IDLE_MS = 5_000
const BYTES_PER_MIB = 1_048_576
const AT_ONCE = 100
const SPARE_CONNECTIONS = 100

const { values } = parseArgs({ options: { connections: { type: 'string', default: '10000' } } })
const count = numberOption('--connections', values.connections)

async function connect({ host, port }: Endpoint): Promise<Socket> {
  const socket = createConnection({ host, port })
  await once(socket, 'connect')
  socket.write('PING\r\n')
  const [reply] = (await once(socket, 'data')) as [Buffer]
  assert.equal(String(reply), '+PONG\r\n')
  return socket
}

const rows = await withNode({ flags: [`--max-connections=${count + SPARE_CONNECTIONS}`] }, async (node) => {
  await sleep(IDLE_MS)
  const before = residentMib([node.pid])
  const sockets: Socket[] = []
  while (sockets.length < count) {
    const batch = Math.min(AT_ONCE, count - sockets.length)
    sockets.push(...(await Promise.all(Array.from({ length: batch }, () => connect(node.redis)))))
  }
  await sleep(IDLE_MS)
  const cpuBeforeUs = cpuMicroseconds([node.pid])
  await sleep(IDLE_MS)
  const cpuMsPerSecond = (cpuMicroseconds([node.pid]) - cpuBeforeUs) / IDLE_MS
  const after = residentMib([node.pid])
  for (const socket of sockets) socket.destroy()
  const megabytes = (mib: number): string => ((mib * BYTES_PER_MIB) / 1_000_000).toFixed(0)
  const each = (((after - before) * BYTES_PER_MIB) / 1_000 / count).toFixed(1)
  return [
    [
      `resident memory, ${count} idle connections`,
      '≤ 300 MB',
      `${megabytes(after)} MB (before: ${megabytes(before)} MB, so ${each} kB each)`,
    ],
    ['processor time beside them', '', `${cpuMsPerSecond.toFixed(1)} ms/s`],
  ] as const
})
printRows(rows)
