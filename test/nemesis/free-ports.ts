/**
 * Ports for nodes that are killed and must come back where they were.
 *
 * A port that the system chose lies in the range from which it also gives outgoing connections
 * their ports: while the node is dead, anybody's connection may take it. These lie below that
 * range. Two processes may still find the same one free at the same time; the start then fails
 * with its reason.
 */
import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { pseudoRandom } from './pseudo-random.ts'

const LOWEST = 15_000
/** Where Linux begins by default (net.ipv4.ip_local_port_range). */
const HIGHEST = 32_767
const TRIES_MAX = 1_000

/** Runs side by side look at different places. */
const random = pseudoRandom(process.pid + Math.floor(performance.timeOrigin))
const given = new Set<number>()

export async function takeFreePorts(count: number): Promise<readonly number[]> {
  const ports: number[] = []
  for (let tries = 0; ports.length < count; tries++) {
    assert(tries < TRIES_MAX, 'no free ports')
    const port = LOWEST + Math.floor(random() * (HIGHEST - LOWEST + 1))
    if (given.has(port) || !(await isFree(port))) continue
    given.add(port)
    ports.push(port)
  }
  return ports
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}
