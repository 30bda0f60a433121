/**
 * A network namespace for each node, and between them a switch of our own (packet-switch.c) that loses,
 * delays, reorders and doubles packets as told: partitions as a kernel sees them, in which nothing is
 * refused and nobody is told. Place 0 is this process' own namespace, where the clients are.
 *
 * Only for processes in namespaces of their own (own-namespaces.ts): what is set up here disappears
 * with the last of them.
 */
import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { compileC } from '../compile-c.ts'

const SOURCE = fileURLToPath(new URL('packet-switch.c', import.meta.url))
/** As the C source has it. */
const PORTS_MAX = 8
const LINK_BYTES = 24
const CONTROL_BYTES = PORTS_MAX * PORTS_MAX * LINK_BYTES
/** Of the range that is set aside for testing networks; no real host has such an address. */
const ADDRESS_PREFIX = '198.18.0.'
const MTU_BYTES = 16_000
const PPM = 1_000_000

const run = promisify(execFile)

export type LinkConditions = {
  /** Shares of all packets. */
  readonly drop?: number
  readonly duplicate?: number
  readonly delayMs?: number
  /** Packets overtake each other within that time. */
  readonly jitterMs?: number
}

export class PacketNetwork {
  readonly hosts: readonly string[]
  readonly #namespaces: readonly string[]
  readonly #control: number
  readonly #process: ChildProcess

  constructor(
    hosts: readonly string[],
    namespaces: readonly string[],
    control: number,
    process: ChildProcess,
  ) {
    this.hosts = hosts
    this.#namespaces = namespaces
    this.#control = control
    this.#process = process
  }

  /** Runs a program at a node's place. */
  launcher(place: number): readonly [string, ...string[]] {
    return ['nsenter', `--net=${this.#namespaces[place] ?? assert.fail()}`, '--']
  }

  /** Of one direction; what is not given is as on a good network. */
  setLink(from: number, to: number, conditions: LinkConditions): void {
    assert(from < this.hosts.length && to < this.hosts.length && from !== to)
    const { drop = 0, duplicate = 0, delayMs = 0, jitterMs = 0 } = conditions
    const words = Uint32Array.of(drop * PPM, duplicate * PPM, delayMs * 1_000, jitterMs * 1_000)
    writeSync(this.#control, Buffer.from(words.buffer), 0, words.byteLength, linkOffset(from, to))
  }

  heal(): void {
    for (const [from] of this.hosts.entries())
      for (const [to] of this.hosts.entries()) if (from !== to) this.setLink(from, to, {})
  }

  /** Packets of all links since the start. */
  counts(): { readonly carried: number; readonly dropped: number } {
    const bytes = Buffer.alloc(CONTROL_BYTES)
    assert.equal(readSync(this.#control, bytes, 0, CONTROL_BYTES, 0), CONTROL_BYTES)
    let carried = 0
    let dropped = 0
    for (let at = 0; at < CONTROL_BYTES; at += LINK_BYTES) {
      carried += bytes.readUInt32LE(at + 16)
      dropped += bytes.readUInt32LE(at + 20)
    }
    return { carried, dropped }
  }

  /** Resets every TCP connection that a place has with another. */
  async reset(place: number, other: number): Promise<void> {
    const host = this.hosts[other] ?? assert.fail()
    const [program, ...before] = this.launcher(place)
    await run(program, [...before, 'ss', '--kill', '--tcp', 'dst', host])
  }

  async stop(): Promise<void> {
    const ended = once(this.#process, 'close')
    this.#process.stdin?.end()
    await ended
    closeSync(this.#control)
    for (const namespace of this.#namespaces.slice(1)) await run('umount', [namespace])
  }
}

export async function startPacketNetwork(
  directory: string,
  nodes: number,
  seed: number,
): Promise<PacketNetwork> {
  assert(nodes < PORTS_MAX)
  const program = await compileC(SOURCE, 'program')
  const hosts = Array.from({ length: nodes + 1 }, (_value, at) => `${ADDRESS_PREFIX}${at + 1}`)
  const namespaces = [`/proc/${process.pid}/ns/net`]
  for (let node = 1; node <= nodes; node++) {
    const file = join(directory, `network-${node}`)
    writeFileSync(file, '')
    await run('unshare', [`--net=${file}`, 'true'])
    namespaces.push(file)
  }
  const path = join(directory, 'network-control')
  writeFileSync(path, Buffer.alloc(CONTROL_BYTES))
  const places = hosts.map((host, at) => `${host}=${namespaces[at]}`)
  const child = spawn(program, [path, String(seed), ...places], { stdio: ['pipe', 'pipe', 'inherit'] })
  const outcome = await Promise.race([once(child.stdout, 'data'), once(child, 'close')])
  assert(outcome[0] instanceof Buffer, 'the packet switch did not start')
  const network = new PacketNetwork(hosts, namespaces, openSync(path, 'r+'), child)
  for (const [place, host] of hosts.entries()) {
    const ip = async (...words: readonly string[]): Promise<void> => {
      const [program, ...before] = network.launcher(place)
      await run(program, [...before, 'ip', ...words])
    }
    await ip('link', 'set', 'lo', 'up')
    await ip('address', 'add', `${host}/24`, 'dev', 'hf0')
    await ip('link', 'set', 'hf0', 'mtu', String(MTU_BYTES), 'up')
  }
  return network
}

function linkOffset(from: number, to: number): number {
  return (from * PORTS_MAX + to) * LINK_BYTES
}
