import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ByteReader, MalformedBytes } from '../base/byte-reader.ts'
import { ByteWriter } from '../base/byte-writer.ts'
import { makeNodeId, makeReplicaId } from '../base/ids.ts'
import type { Done, MachineView } from '../base/machine.ts'
import { groupOfSlot } from './catalog.ts'
import {
  type ClusterCommand,
  type ClusterReply,
  createClusterMachine,
  type NodeFacts,
} from './cluster-machine.ts'

const CONTEXT = { timeMs: 1, seed: 1, machineVersion: 1 }

class Host {
  readonly machine = createClusterMachine()
  readonly records = new Map<string, string>()
  readonly view: MachineView = { get: (key) => this.records.get(key) ?? null, range: () => undefined }

  run(command: ClusterCommand): ClusterReply {
    const done = this.machine.execute(this.view, command, CONTEXT) as Done<ClusterReply>
    assert.equal(done.kind, 'done')
    for (const write of done.writes) this.records.set(write.key, write.value as string)
    return done.reply
  }
}

function facts(name: string, port: number, token: string = `token-of-${name}`): NodeFacts {
  const host = '127.0.0.1'
  return {
    nodeId: makeNodeId(name),
    joinToken: token,
    peer: { host, port },
    redis: { host, port: port + 1 },
    http: null,
    processId: port,
  }
}

function founded(): Host {
  const host = new Host()
  assert.equal(host.run({ kind: 'bootstrap', clusterId: 'c', node: facts('n1', 1) }).kind, 'catalog')
  return host
}

test('a cold catalog is asked for before anything is decided', () => {
  const { machine } = new Host()
  const cold: MachineView = { get: () => undefined, range: () => undefined }
  assert.equal(machine.execute(cold, { kind: 'read' }, CONTEXT).kind, 'need')
  assert.equal(machine.query(cold, { kind: 'read' }, { ...CONTEXT, clockMs: 1 }).kind, 'need')
})

test('the founder is replica 1 and group 1 owns every slot; a cluster is founded once', () => {
  const host = founded()
  const reply = host.run({ kind: 'read' })
  assert.equal(reply.kind, 'catalog')
  if (reply.kind !== 'catalog') return
  assert.deepEqual(
    reply.catalog.nodes.map((node) => [node.replicaId, node.nodeId]),
    [[1, 'n1']],
  )
  assert.equal(groupOfSlot(reply.catalog, 0), 1)
  assert.equal(groupOfSlot(reply.catalog, 16_383), 1)
  assert.equal(groupOfSlot(reply.catalog, 16_384), null)
  assert.equal(host.run({ kind: 'bootstrap', clusterId: 'd', node: facts('n9', 9) }).kind, 'refused')
})

test('nothing but founding works before the cluster is founded', () => {
  const host = new Host()
  for (const command of [
    { kind: 'join', node: facts('n2', 2) },
    { kind: 'announce', replicaId: makeReplicaId(1), node: facts('n1', 1) },
    { kind: 'read' },
  ] satisfies ClusterCommand[]) {
    assert.equal(host.run(command).kind, 'refused')
  }
})

test('asking to join twice with one directory gives one replica id', () => {
  const host = founded()
  const first = host.run({ kind: 'join', node: facts('n2', 2) })
  const again = host.run({ kind: 'join', node: facts('n2', 2) })
  assert.ok(first.kind === 'joined' && again.kind === 'joined')
  assert.equal(first.replicaId, 2)
  assert.equal(again.replicaId, 2)
})

test('a wiped node comes back under its name as another replica, and its old number is never used again', () => {
  const host = founded()
  host.run({ kind: 'join', node: facts('n2', 2) })
  const wiped = host.run({ kind: 'join', node: facts('n2', 2, 'another directory') })
  assert.ok(wiped.kind === 'joined')
  assert.equal(wiped.replicaId, 3)
  assert.deepEqual(
    wiped.catalog.nodes.map((node) => node.replicaId),
    [1, 3],
  )
  const old = host.run({ kind: 'announce', replicaId: makeReplicaId(2), node: facts('n2', 2) })
  assert.equal(old.kind, 'refused')
})

test('a late request of a data directory that was replaced does not displace the one that replaced it', () => {
  const host = founded()
  const [first, second] = [facts('n2', 5, 'first disk'), facts('n2', 5, 'second disk')]
  for (const node of [first, second]) assert.equal(host.run({ kind: 'join', node }).kind, 'joined')
  const late = host.run({ kind: 'join', node: first })
  assert.equal(late.kind, 'refused')
  const again = host.run({ kind: 'join', node: second })
  assert.equal(again.kind === 'joined' && again.replicaId, makeReplicaId(3))
})

test('a member announces new addresses; a stranger under its number is refused', () => {
  const host = founded()
  const moved = host.run({ kind: 'announce', replicaId: makeReplicaId(1), node: { ...facts('n1', 77) } })
  assert.ok(moved.kind === 'catalog')
  assert.equal(moved.catalog.nodes[0]?.peer.port, 77)
  const stranger = host.run({ kind: 'announce', replicaId: makeReplicaId(1), node: facts('n1', 5, 'stolen') })
  assert.equal(stranger.kind, 'refused')
})

test('commands read back as they were written; bytes that are not JSON are malformed', () => {
  const { machine } = new Host()
  const command: ClusterCommand = { kind: 'join', node: facts('n2', 2) }
  const writer = new ByteWriter()
  machine.encode(command, writer)
  assert.deepEqual(machine.decode(new ByteReader(writer.takeBytes())), command)
  const broken = new ByteWriter()
  broken.byteString('{')
  assert.throws(() => machine.decode(new ByteReader(broken.takeBytes())), MalformedBytes)
})
