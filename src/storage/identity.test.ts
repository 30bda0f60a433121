import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { test } from 'node:test'
import { crc32 } from 'node:zlib'
import fc from 'fast-check'
import { createSimDisk, type SimDisk } from '../../sim/disk/disk.ts'
import { createSimRandom } from '../../sim/world/random.ts'
import { isCorruption, StorageError } from '../base/errors.ts'
import { makeNodeId, makeReplicaId } from '../base/ids.ts'
import { type Disk, DiskFault } from '../env/disk.ts'
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

function makeSim(seed = 1): SimDisk {
  return createSimDisk({ random: createSimRandom(seed) })
}

async function put(disk: Disk, name: string, bytes: Buffer = Buffer.from('x')): Promise<void> {
  const file = await disk.open(name, 'create')
  await file.writeAndSync([bytes], 0)
  await file.close()
  await disk.syncDirectory('')
}

/** Runs `act` and cuts the power when it makes its call number `calls` + 1; null when it got so far. */
async function crashAfter<T>(sim: SimDisk, calls: number, act: () => Promise<T>): Promise<T | null> {
  let first: number | null = null
  sim.setFaults(({ number }) => {
    first ??= number
    return number - first >= calls ? { kind: 'stall' } : null
  })
  const result = await Promise.race([
    act(),
    new Promise<null>((resolve) => setImmediate(() => resolve(null))),
  ])
  sim.setFaults(null)
  sim.crash()
  return result
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
  const disk = makeSim().disk()
  const first = await openIdentity(disk, countingRandom(), anyRequest)
  assert.match(first.clusterId ?? '', /^[0-9a-f]{32}$/)
  assert.match(first.nodeId, /^node-[0-9a-f]{12}$/)
  assert.deepEqual([first.origin, first.replicaId, first.incarnation], ['created', null, 1])
  const second = await openIdentity(disk, countingRandom(), anyRequest)
  assert.deepEqual(second, { ...first, incarnation: 2 })
  assert.deepEqual(await readIdentity(disk), second)
})

test('a node that joins has no cluster until it is told', async () => {
  const disk = makeSim().disk()
  const first = await openIdentity(disk, countingRandom(), { nodeId: N1, joins: true })
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
  const assigned = await assignReplica(disk, first, {
    clusterId: CLUSTER_ID,
    replicaId: makeReplicaId(3),
  })
  assert.deepEqual(await readIdentity(disk), assigned)
  const again = await openIdentity(disk, countingRandom(), { nodeId: N1, joins: true })
  assert.deepEqual(again, { ...assigned, incarnation: 2 })
  await assert.rejects(
    assignReplica(disk, again, { clusterId: CLUSTER_ID, replicaId: makeReplicaId(4) }),
    /changes its replica id/,
  )
})

test('another node id, or joining with a cluster of its own, is refused and changes nothing', async () => {
  const disk = makeSim().disk()
  const before = await openIdentity(disk, countingRandom(), { nodeId: N1, joins: false })
  const other = await rejection(
    openIdentity(disk, countingRandom(), { nodeId: makeNodeId('n2'), joins: false }),
  )
  assert.equal(other.name, 'dataDirectoryOfAnotherNode')
  assert.match(other.message, /belongs to node n1, and --node-id says n2/)
  const joining = await rejection(openIdentity(disk, countingRandom(), { nodeId: N1, joins: true }))
  assert.equal(joining.name, 'dataDirectoryOfAnotherNode')
  assert.match(joining.message, new RegExp(String(before.clusterId)))
  assert.deepEqual(await readIdentity(disk), before)
})

test('a directory with data and without identity never gets a new one', async () => {
  const disk = makeSim().disk()
  for (const name of ['LOCK', '.keep', 'lost+found', 'endpoints.json', 'identity.tmp']) await put(disk, name)
  await put(disk, 'log')
  const error = await rejection(openIdentity(disk, countingRandom(), anyRequest))
  assert.equal(error.name, 'fileMissing')
  assert.match(error.message, /it holds log$/)
  await disk.remove('log')
  assert.equal((await openIdentity(disk, countingRandom(), anyRequest)).incarnation, 1)
})

test('a newer format is told from damage', async () => {
  const disk = makeSim().disk()
  await put(disk, IDENTITY_FILE, frame('{"format":2,"everything":"else"}\n'))
  const error = await rejection(openIdentity(disk, countingRandom(), anyRequest))
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
  const disk = makeSim().disk()
  await put(disk, IDENTITY_FILE, Buffer.alloc(5_000, 0x20))
  const error = await rejection(readIdentity(disk))
  assert.ok(isCorruption(error))
})

test('a disk that fails is neither a missing nor a damaged identity', async () => {
  const sim = makeSim()
  const disk = sim.disk()
  await writeIdentity(disk, SAMPLE)
  for (const operation of ['open', 'read'] as const) {
    sim.setFaults((call) => (call.operation === operation ? { kind: 'error', errno: 'EIO' } : null))
    await assert.rejects(readIdentity(disk), (error) => error instanceof DiskFault && error.errno === 'EIO')
  }
})

test('a bit that rots on disk is found', async () => {
  const sim = makeSim()
  await writeIdentity(sim.disk(), SAMPLE)
  sim.flipBit(IDENTITY_FILE, 20, 3)
  assert.ok(isCorruption(await rejection(openIdentity(sim.disk(), countingRandom(), anyRequest))))
})

test('a crash at any call leaves the old identity or the new one, and no start reuses an incarnation', async () => {
  await atEveryCrash(async (sim, calls) => {
    await writeIdentity(sim.disk(), SAMPLE)
    const opened = await crashAfter(sim, calls, () => openIdentity(sim.disk(), countingRandom(), anyRequest))
    const found = await readIdentity(sim.disk())
    assert.ok(found !== null, `nothing left after ${calls} calls`)
    assert.ok(found.incarnation === 7 || found.incarnation === 8)
    if (opened !== null) assert.deepEqual(found, opened)
    const next = await openIdentity(sim.disk(), countingRandom(), anyRequest)
    assert.ok(opened === null || next.incarnation > opened.incarnation)
    return opened !== null
  })
})

test('a first start that crashed at any call can be repeated', async () => {
  await atEveryCrash(async (sim, calls) => {
    const opened = await crashAfter(sim, calls, () => openIdentity(sim.disk(), countingRandom(), anyRequest))
    const next = await openIdentity(sim.disk(), countingRandom(), anyRequest)
    if (opened !== null) assert.deepEqual(next, { ...opened, incarnation: 2 })
    return opened !== null
  })
})

/** Moves the crash forward until `run` says that it came too late; with several fates of what was not synced. */
async function atEveryCrash(run: (sim: SimDisk, calls: number) => Promise<boolean>): Promise<void> {
  for (let seed = 1; seed <= 20; seed++) {
    let isComplete = false
    let calls = 0
    for (; !isComplete; calls++) {
      assert.ok(calls < 100)
      isComplete = await run(makeSim(seed), calls)
    }
    assert.ok(calls > 5, 'crashes were really tried')
  }
}

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
