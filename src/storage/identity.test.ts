import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { test } from 'node:test'
import { crc32 } from 'node:zlib'
import fc from 'fast-check'
import { isCorruption, StorageError } from '../base/errors.ts'
import { makeNodeId, makeReplicaId } from '../base/ids.ts'
import { type Disk, DiskFault, type DiskFile } from '../env/disk.ts'
import type { Random } from '../env/random.ts'
import {
  assignReplica,
  decodeIdentity,
  encodeIdentity,
  IDENTITY_FILE,
  type Identity,
  openIdentity,
  readIdentity,
  writeIdentity,
} from './identity.ts'

const CLUSTER_ID = '0123456789abcdef0123456789abcdef'
const DIRECTORY_ID = 'fedcba9876543210fedcba9876543210'
const N1 = makeNodeId('n1')
const SAMPLE: Identity = {
  clusterId: CLUSTER_ID,
  nodeId: N1,
  origin: 'created',
  replicaId: makeReplicaId(1),
  directoryId: DIRECTORY_ID,
  incarnation: 7,
}

function countingRandom(): Random {
  let next = 1
  return { next: () => 0.5, u32: () => next++ }
}

/**
 * Files and names, each with what a crash would leave: unsynced bytes are lost, unsynced renames
 * and new names too. `stopAfter` operations, every further one fails as if the process had died.
 */
class CrashDisk implements Pick<Disk, 'open' | 'rename' | 'remove' | 'list' | 'exists' | 'syncDirectory'> {
  names = new Map<string, { bytes: Buffer; synced: Buffer }>()
  #durable = new Map<string, { bytes: Buffer; synced: Buffer }>()
  stopAfter = Number.POSITIVE_INFINITY
  operations = 0

  disk(): Disk {
    return this as unknown as Disk
  }

  #step(operation: 'open' | 'write' | 'rename' | 'remove' | 'syncDirectory', path: string): void {
    if (this.operations++ >= this.stopAfter) throw new DiskFault(operation, path, 'EIO')
  }

  async open(path: string, mode: 'create' | 'write' | 'read'): Promise<DiskFile> {
    this.#step('open', path)
    if (mode === 'create') {
      if (this.names.has(path)) throw new DiskFault('open', path, 'EEXIST')
      this.names.set(path, { bytes: Buffer.alloc(0), synced: Buffer.alloc(0) })
    }
    const file = this.names.get(path)
    if (file === undefined) throw new DiskFault('open', path, 'ENOENT')
    return {
      size: async () => file.bytes.length,
      read: async (offset: number, length: number) => file.bytes.subarray(offset, offset + length),
      writeAndSync: async (chunks: readonly Uint8Array[]) => {
        this.#step('write', path)
        file.bytes = Buffer.concat(chunks)
        file.synced = file.bytes
      },
      close: async () => undefined,
    } as unknown as DiskFile
  }

  async rename(from: string, to: string): Promise<void> {
    this.#step('rename', from)
    const file = this.names.get(from)
    if (file === undefined) throw new DiskFault('rename', from, 'ENOENT')
    this.names.delete(from)
    this.names.set(to, file)
  }

  async remove(path: string): Promise<void> {
    this.#step('remove', path)
    this.names.delete(path)
  }

  async list(): Promise<readonly string[]> {
    return [...this.names.keys()].sort()
  }

  async exists(path: string): Promise<boolean> {
    return this.names.has(path)
  }

  async syncDirectory(): Promise<void> {
    this.#step('syncDirectory', '')
    this.#durable = new Map(this.names)
  }

  /** What the next start finds. `keepsNames`: the directory reached the disk although nobody synced it. */
  crash(keepsNames: boolean): void {
    const source = keepsNames ? this.names : this.#durable
    this.names = new Map(
      [...source].map(([name, file]) => [name, { bytes: file.synced, synced: file.synced }]),
    )
    this.#durable = new Map(this.names)
    this.stopAfter = Number.POSITIVE_INFINITY
    this.operations = 0
  }

  put(name: string, bytes: Buffer = Buffer.from('x')): void {
    this.names.set(name, { bytes, synced: bytes })
    this.#durable = new Map(this.names)
  }
}

async function rejection(promise: Promise<unknown>): Promise<StorageError> {
  const error = await promise.then(
    () => assert.fail('it did not fail'),
    (thrown: unknown) => thrown,
  )
  assert.ok(error instanceof StorageError, String(error))
  assert.equal(error.healsByItself, false)
  assert.ok(error.hint.length > 20)
  return error
}

const anyRequest = { nodeId: null, joins: false } as const

test('the first start draws an identity, and every further start raises the incarnation', async () => {
  const world = new CrashDisk()
  const first = await openIdentity(world.disk(), countingRandom(), anyRequest)
  assert.match(first.clusterId ?? '', /^[0-9a-f]{32}$/)
  assert.match(first.nodeId, /^node-[0-9a-f]{12}$/)
  assert.deepEqual([first.origin, first.replicaId, first.incarnation], ['created', null, 1])
  const second = await openIdentity(world.disk(), countingRandom(), anyRequest)
  assert.deepEqual(second, { ...first, incarnation: 2 })
  assert.deepEqual(await readIdentity(world.disk()), second)
})

test('a node that joins has no cluster until it is told', async () => {
  const world = new CrashDisk()
  const first = await openIdentity(world.disk(), countingRandom(), { nodeId: N1, joins: true })
  const { directoryId } = first
  assert.match(directoryId, /^[0-9a-f]{32}$/)
  assert.deepEqual(first, {
    clusterId: null,
    nodeId: N1,
    origin: 'joined',
    replicaId: null,
    directoryId,
    incarnation: 1,
  })
  const assigned = await assignReplica(world.disk(), first, {
    clusterId: CLUSTER_ID,
    replicaId: makeReplicaId(3),
  })
  assert.deepEqual(await readIdentity(world.disk()), assigned)
  const again = await openIdentity(world.disk(), countingRandom(), { nodeId: N1, joins: true })
  assert.deepEqual(again, { ...assigned, incarnation: 2 })
  await assert.rejects(
    assignReplica(world.disk(), again, { clusterId: CLUSTER_ID, replicaId: makeReplicaId(4) }),
    /changes its replica id/,
  )
})

test('another node id, or joining with a cluster of its own, is refused and changes nothing', async () => {
  const world = new CrashDisk()
  const before = await openIdentity(world.disk(), countingRandom(), { nodeId: N1, joins: false })
  const other = await rejection(
    openIdentity(world.disk(), countingRandom(), { nodeId: makeNodeId('n2'), joins: false }),
  )
  assert.equal(other.name, 'dataDirectoryOfAnotherNode')
  assert.match(other.message, /belongs to node n1, and --node-id says n2/)
  const joining = await rejection(openIdentity(world.disk(), countingRandom(), { nodeId: N1, joins: true }))
  assert.equal(joining.name, 'dataDirectoryOfAnotherNode')
  assert.match(joining.message, new RegExp(String(before.clusterId)))
  assert.deepEqual(await readIdentity(world.disk()), before)
})

test('a directory with data and without identity never gets a new one', async () => {
  const world = new CrashDisk()
  for (const name of ['LOCK', '.keep', 'lost+found', 'endpoints.json', 'identity.tmp']) world.put(name)
  world.put('log')
  const error = await rejection(openIdentity(world.disk(), countingRandom(), anyRequest))
  assert.equal(error.name, 'fileMissing')
  assert.match(error.message, /it holds log$/)
  await world.remove('log')
  assert.equal((await openIdentity(world.disk(), countingRandom(), anyRequest)).incarnation, 1)
})

test('a newer format is told from damage', async () => {
  const world = new CrashDisk()
  world.put(IDENTITY_FILE, frame('{"format":2,"everything":"else"}\n'))
  const error = await rejection(openIdentity(world.disk(), countingRandom(), anyRequest))
  assert.equal(error.name, 'newerFormat')
  assert.match(error.message, /its format is 2, this version knows 1/)
})

test('every flipped bit, every cut and every appended byte is corruption', () => {
  const good = encodeIdentity(SAMPLE)
  assert.deepEqual(decodeIdentity(good), SAMPLE)
  const damaged: Buffer[] = [Buffer.concat([good, Buffer.from('\n')])]
  for (let length = 0; length < good.length; length++) damaged.push(good.subarray(0, length))
  for (let bit = 0; bit < good.length * 8; bit++) {
    const flipped = Buffer.from(good)
    flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7))
    damaged.push(flipped)
  }
  for (const bytes of damaged)
    assert.throws(() => decodeIdentity(bytes), isCorruption, bytes.toString('latin1'))
})

test('a record with a good checksum and wrong fields is corruption', () => {
  const good = { format: 1, ...SAMPLE }
  const wrong: readonly Record<string, unknown>[] = [
    { ...good, format: 0 },
    { ...good, format: '1' },
    { ...good, clusterId: 'x' },
    { ...good, clusterId: null },
    { ...good, nodeId: 'a b' },
    { ...good, origin: 'found' },
    { ...good, replicaId: 0 },
    { ...good, incarnation: 0 },
    { ...good, incarnation: 1.5 },
    { ...good, extra: 1 },
    { format: 1 },
  ]
  for (const record of wrong) {
    assert.throws(
      () => decodeIdentity(frame(`${JSON.stringify(record)}\n`)),
      isCorruption,
      JSON.stringify(record),
    )
  }
  assert.throws(() => decodeIdentity(frame('{not json}\n')), isCorruption)
})

test('the bytes of the format page are what is written', () => {
  const line = `{"format":1,"clusterId":"${CLUSTER_ID}","nodeId":"n1","origin":"created","replicaId":1,"directoryId":"${DIRECTORY_ID}","incarnation":7}\n`
  assert.equal(encodeIdentity(SAMPLE).toString('latin1'), frame(line).toString('latin1'))
})

test('an oversized file is refused before it is read', async () => {
  const world = new CrashDisk()
  world.put(IDENTITY_FILE, Buffer.alloc(5_000, 0x20))
  const error = await rejection(readIdentity(world.disk()))
  assert.ok(isCorruption(error))
})

test('a disk that fails is neither a missing nor a damaged identity', async () => {
  const world = new CrashDisk()
  await writeIdentity(world.disk(), SAMPLE)
  world.stopAfter = 0
  await assert.rejects(
    readIdentity(world.disk()),
    (error) => error instanceof DiskFault && error.errno === 'EIO',
  )
})

test('a crash at any point leaves the old identity or the new one, and no start reuses an incarnation', async () => {
  for (const keepsNames of [false, true]) {
    let completed = false
    for (let stopAfter = 0; !completed; stopAfter++) {
      assert.ok(stopAfter < 100)
      const world = new CrashDisk()
      await writeIdentity(world.disk(), SAMPLE)
      world.operations = 0
      world.stopAfter = stopAfter
      const opened = await openIdentity(world.disk(), countingRandom(), anyRequest).catch(() => null)
      completed = opened !== null
      world.crash(keepsNames)
      const found = await readIdentity(world.disk())
      assert.ok(found !== null, `nothing left after ${stopAfter} operations`)
      assert.ok(found.incarnation === 7 || found.incarnation === 8)
      if (opened !== null) assert.deepEqual(found, opened)
      const next = await openIdentity(world.disk(), countingRandom(), anyRequest)
      assert.ok(opened === null || next.incarnation > opened.incarnation)
    }
  }
})

test('a first start that crashed anywhere can be repeated', async () => {
  for (const keepsNames of [false, true]) {
    let completed = false
    for (let stopAfter = 0; !completed; stopAfter++) {
      assert.ok(stopAfter < 100)
      const world = new CrashDisk()
      world.stopAfter = stopAfter
      const opened = await openIdentity(world.disk(), countingRandom(), anyRequest).catch(() => null)
      completed = opened !== null
      world.crash(keepsNames)
      const next = await openIdentity(world.disk(), countingRandom(), anyRequest)
      if (opened !== null) assert.deepEqual(next, { ...opened, incarnation: 2 })
    }
  }
})

test('any identity reads back as it was written', () => {
  const nodeId = fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/).map(makeNodeId)
  const clusterId = fc.stringMatching(/^[0-9a-f]{32}$/)
  const positive = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER })
  fc.assert(
    fc.property(nodeId, clusterId, positive, fc.option(positive), (id, cluster, incarnation, replica) => {
      const replicaId = replica === null ? null : makeReplicaId(replica)
      const identity: Identity = {
        clusterId: cluster,
        nodeId: id,
        origin: 'joined',
        replicaId,
        directoryId: cluster,
        incarnation,
      }
      assert.deepEqual(decodeIdentity(encodeIdentity(identity)), identity)
    }),
    { seed: 77 },
  )
})

function frame(line: string): Buffer {
  return Buffer.from(`${line}crc32 ${crc32(line).toString(16).padStart(8, '0')}\n`, 'latin1')
}
