/**
 * What a node does when files of its data directory are gone, damaged or of another time
 * (docs/formats/recovery.md): it comes back with everything, or waits for its peers, or refuses and
 * says why; never a vote that forgets, never a second cluster. Refusals are repeated: a service
 * manager starts a node again and again.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { StorageError, toStorageError } from '../../src/base/errors.ts'
import { type GroupId, makeGroupId } from '../../src/base/ids.ts'
import { SECTOR_BYTES } from '../../src/storage/log/log-format.ts'
import { openSharedLog } from '../../src/storage/log/open-shared-log.ts'
import { createSimCluster, formCluster, type SimCluster } from '../cluster/sim-cluster.ts'
import type { SimNode } from '../cluster/sim-node.ts'
import { createSimDisk } from '../disk/disk.ts'
import { missingAt, NumberedWriter } from '../workloads/numbered-writer.ts'
import { createSimClock } from '../world/clock.ts'
import { driveUntilSettled } from '../world/drive.ts'

const SEGMENT_BYTES = 16 * 1024
const SERVING_MS = 20_000
const DATA_GROUP = makeGroupId(1)
const REFUSALS = 3

type Formed = {
  readonly cluster: SimCluster
  readonly victim: SimNode
  readonly acknowledged: readonly number[]
}

type Forming = {
  readonly nodes: number
  readonly victim: number
  readonly writes: number
  /** Until the log no longer begins with the first entry. */
  readonly cutsLog?: boolean
  readonly beforeCrash?: (victim: SimNode) => Promise<void>
}

/** A cluster that took `writes`, and whose node `victim` then died. */
async function formed(forming: Forming): Promise<Formed> {
  const { nodes, writes, cutsLog = false, beforeCrash = async () => {} } = forming
  const groupOptions = cutsLog ? { logBytesMax: 2_000, logKeepBytes: 500 } : {}
  const cluster = createSimCluster({
    seed: `lost files of ${nodes}`,
    nodes,
    node: { logSegmentBytes: SEGMENT_BYTES, groupOptions },
  })
  await formCluster(cluster)
  const victim = cluster.nodes[forming.victim]
  assert(victim !== undefined)
  const acknowledged = [...(await write(cluster, writes)).acknowledged]
  if (cutsLog) await cluster.runUntil('the log is cut', () => firstIndex(victim) > 1, SERVING_MS)
  await driveUntilSettled(cluster.scheduler, () => beforeCrash(victim))
  victim.crash('reset', false)
  return { cluster, victim, acknowledged }
}

function firstIndex(node: SimNode): number {
  return node.replicas.find(({ group }) => group === DATA_GROUP)?.raft.status().firstIndex ?? 0
}

async function write(cluster: SimCluster, writes: number): Promise<NumberedWriter> {
  const hosts = cluster.nodes.filter((node) => node.isUp).map((node) => node.host)
  const writer = new NumberedWriter(cluster, 'writer', hosts)
  await cluster.runUntil('writes', () => writer.acknowledged.length >= writes, SERVING_MS)
  writer.stop()
  await driveUntilSettled(cluster.scheduler, () => writer.done)
  return writer
}

function logFiles(node: SimNode): readonly string[] {
  return node.disk.paths().filter((path) => path.startsWith('log/'))
}

function lose(node: SimNode, isLost: (path: string) => boolean): void {
  const lost = node.disk.paths().filter(isLost)
  assert(lost.length > 0, 'something to lose')
  for (const path of lost) node.disk.loseFile(path)
}

async function assertRefuses(
  { cluster, victim }: Formed,
  name: string,
  message: RegExp,
  isKept: (path: string) => boolean = () => true,
): Promise<void> {
  const before = victim.disk.paths().filter(isKept)
  for (let attempt = 1; attempt <= REFUSALS; attempt++) {
    victim.start()
    await cluster.runUntil(
      'a refusal',
      () => victim.startFailure !== null || victim.running !== null,
      SERVING_MS,
    )
    const failure = victim.startFailure
    assert(failure instanceof StorageError, `start ${attempt} after the loss: ${String(failure)}`)
    assert.equal(failure.name, name)
    assert.match(failure.message, message)
    assert(failure.hint.length > 0)
    victim.crash('reset', false)
    for (const path of before) assert(victim.disk.paths().includes(path), `${path} was removed`)
  }
}

async function assertComesBack({ cluster, victim, acknowledged }: Formed): Promise<void> {
  victim.start()
  await cluster.runUntil(
    'the node serves',
    () => {
      if (victim.startFailure !== null) throw toStorageError(victim.startFailure)
      return victim.running !== null && victim.replicas.every(({ raft }) => !raft.isRepairing)
    },
    SERVING_MS,
  )
  const missing = await driveUntilSettled(cluster.scheduler, () =>
    missingAt(cluster, victim.host, acknowledged),
  )
  assert.deepEqual(missing, [], 'acknowledged writes are lost')
}

function isLog(path: string): boolean {
  return path.startsWith('log/')
}

describe('identity', () => {
  test('gone, with log and engines there: refused, nothing is founded', async () => {
    const lost = await formed({ nodes: 1, victim: 0, writes: 5 })
    lose(lost.victim, (path) => path === 'identity')
    await assertRefuses(lost, 'fileMissing', /identity/)
    assert(!lost.victim.disk.paths().includes('identity'))
  })

  test('rotten: refused, everything stays', async () => {
    const lost = await formed({ nodes: 1, victim: 0, writes: 5 })
    lost.victim.disk.flipBit('identity', 20, 3)
    await assertRefuses(lost, 'checksumMismatch', /identity/)
  })
})

/** As a program would that did not look for what is missing. */
async function beginEmptyLog({ cluster, victim }: Formed): Promise<void> {
  const { scheduler } = cluster
  const clock = createSimClock(scheduler)
  const disk = createSimDisk({ random: cluster.random.fork('empty log') })
  const logger = cluster.log.logger('empty log')
  await driveUntilSettled(scheduler, async () => {
    const random = cluster.random.fork('empty log')
    const log = await openSharedLog({ disk: disk.disk(), clock, random, logger, segmentBytes: SEGMENT_BYTES })
    await log.close()
  })
  for (const path of disk.paths()) victim.disk.putFile(path, disk.bytes(path))
}

describe('a log that is gone', () => {
  for (const nodes of [1, 3]) {
    test(`of one of ${nodes}: refused at every start`, async () => {
      const lost = await formed({ nodes, victim: nodes - 1, writes: 5 })
      lose(lost.victim, isLog)
      await assertRefuses(lost, 'logDamaged', /log is gone/)
      assert.deepEqual(logFiles(lost.victim), [], 'no new log is begun')
    })
  }

  test('with the engines: refused all the same', async () => {
    const lost = await formed({ nodes: 3, victim: 2, writes: 5 })
    lose(lost.victim, isLog)
    lost.victim.loseEngines()
    await assertRefuses(lost, 'logDamaged', /log is gone/)
  })

  test('but for the segment that was prepared: refused at every start', async () => {
    for (const losesEngines of [false, true]) {
      const lost = await formed({ nodes: 3, victim: 2, writes: 5 })
      const segments = logFiles(lost.victim).filter((path) => path.endsWith('.segment'))
      assert(segments.length >= 2)
      lose(lost.victim, (path) => isLog(path) && path !== segments.at(-1))
      if (losesEngines) lost.victim.loseEngines()
      await assertRefuses(lost, 'logDamaged', /lost everything|log is gone/)
    }
  })

  test('and another one, whole but empty, in its place: refused', async () => {
    const lost = await formed({ nodes: 3, victim: 2, writes: 5 })
    lose(lost.victim, isLog)
    await beginEmptyLog(lost)
    await assertRefuses(lost, 'logDamaged', /log is gone/)
  })

  test('but for evidence of damage and a segment in preparation: refused', async () => {
    const lost = await formed({
      nodes: 3,
      victim: 2,
      writes: 5,
      beforeCrash: async ({ disk }) => {
        await disk.disk().makeDirectory('log/evidence')
        for (const path of ['log/evidence/0000000001.segment', 'log/0000000099.preparing']) {
          await (await disk.disk().open(path, 'create')).close()
        }
      },
    })
    lose(lost.victim, (path) => /^log\/\d+\.segment$/.test(path))
    await assertRefuses(lost, 'logDamaged', /log is gone/)
  })
})

describe('engines that are gone', () => {
  for (const nodes of [1, 3]) {
    test(`on one of ${nodes}, with a log from the first entry: everything is applied again`, async () => {
      const lost = await formed({ nodes, victim: nodes - 1, writes: 20 })
      lost.victim.loseEngines()
      await assertComesBack(lost)
    })
  }

  test('with a log that was cut: filled by a peer, and no vote before', async () => {
    const lost = await formed({ nodes: 3, victim: 2, writes: 60, cutsLog: true })
    lost.victim.loseEngines()
    lost.victim.start()
    await lost.cluster.runUntil('a replica', () => lost.victim.replicas.some(isData), SERVING_MS)
    assert(lost.victim.replicas.find(isData)?.raft.isRepairing, 'it has lost what it acknowledged')
    lost.victim.crash('reset', true)
    await assertComesBack(lost)
    assert(firstIndex(lost.victim) > 1, 'from a snapshot')
  })

  test('with a log that was cut, on the only node: refused, and nothing is thrown away', async () => {
    const lost = await formed({ nodes: 1, victim: 0, writes: 60, cutsLog: true })
    lost.victim.loseEngines()
    await assertRefuses(lost, 'engineDamaged', /only one/, isLog)
  })
})

/** Of a frame in the first segment: then which groups it belonged to is unknown. */
function flipFrameHeader({ victim }: Formed): void {
  const [first] = logFiles(victim).filter((path) => path.endsWith('.segment'))
  assert(first !== undefined)
  const header = 11 * SECTOR_BYTES
  const bytes = victim.disk.bytes(first).subarray(header, header + 40)
  assert.equal((bytes[0] ?? 0) & 0xc0, 0xc0, 'a frame begins there')
  victim.disk.flipBit(first, header + 30, 1)
}

describe('a log that is rotten', () => {
  test('on one of three: no vote until its peers have filled it', async () => {
    const lost = await formed({ nodes: 3, victim: 2, writes: 60 })
    flipFrameHeader(lost)
    lost.victim.start()
    await lost.cluster.runUntil('a replica', () => lost.victim.replicas.some(isData), SERVING_MS)
    assert(lost.victim.replicas.find(isData)?.raft.isRepairing)
    lost.victim.crash('reset', true)
    await assertComesBack(lost)
  })

  test('only the header of a prepared segment, and only when it is used: refused, and well again', async () => {
    const lost = await formed({ nodes: 1, victim: 0, writes: 5 })
    const { disk } = lost.victim
    disk.setFaults(({ operation, offset, length }) => {
      const isHeader = operation === 'read' && offset === 0 && length === SECTOR_BYTES
      return isHeader ? { kind: 'misread', elsewhere: SECTOR_BYTES } : null
    })
    await assertRefuses(lost, 'checksumMismatch', /prepared log segment/, isLog)
    disk.setFaults(null)
    await assertComesBack(lost)
  })

  test('on the only node: nothing is served, at every start', async () => {
    const lost = await formed({ nodes: 1, victim: 0, writes: 60 })
    flipFrameHeader(lost)
    for (let attempt = 1; attempt <= REFUSALS; attempt++) {
      lost.victim.start()
      await lost.cluster.run(2_000)
      const data = lost.victim.replicas.find(isData)
      assert(data !== undefined, String(lost.victim.startFailure))
      assert(data.raft.isRepairing && data.raft.role === 'follower')
      lost.victim.crash('reset', attempt % 2 === 0)
    }
  })
})

function isData({ group }: { readonly group: GroupId }): boolean {
  return group === DATA_GROUP
}
