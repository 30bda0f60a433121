import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { test } from 'node:test'
import { createWire, PORT, type Wire, type WireNode } from '../../../test/replica-wire.ts'
import type { ByteReader } from '../../base/byte-reader.ts'
import { makeGroupId, makeReplicaId } from '../../base/ids.ts'
import type { Connection } from '../../env/network.ts'
import { FrameType, makeFrame } from './frame.ts'
import { PROTOCOL_VERSION } from './peer-connection.ts'

const GROUP = makeGroupId(4)
const ECHO = 77

async function pair(wire: Wire): Promise<[WireNode, WireNode]> {
  const nodes: [WireNode, WireNode] = [await wire.add(1), await wire.add(2)]
  wire.connect(nodes)
  await wire.wait(100)
  return nodes
}

function ask(from: WireNode, to: number, text: string): Promise<string | null> {
  return new Promise((resolve) => {
    from.transport.request(
      ECHO,
      makeReplicaId(to),
      (writer) => writer.byteString(text),
      (body: ByteReader | null) => resolve(body === null ? null : body.byteString()),
    )
  })
}

function echo(node: WireNode): void {
  node.transport.handle(ECHO, (from, body, respond) => {
    const text = body.byteString()
    node.events.push(`asked by ${from}: ${text}`)
    if (text === 'refuse me') respond(null)
    else if (text !== 'say nothing') respond((writer) => writer.byteString(`${text}!`))
  })
}

function withEvents(kind: string, node: WireNode): string[] {
  return node.events.filter((event) => event.startsWith(kind))
}

test('members hear of each other, and messages and notices arrive in order', () => {
  const wire = createWire(1)
  return wire.run(async () => {
    const [one, two] = await pair(wire)
    assert(withEvents('heard', two).includes('heard of 1 n1'))
    assert.equal(one.transport.isConnected(two.id), true)
    one.transport.sendRaft(GROUP, two.id, [Buffer.from('a'), Buffer.from('b')])
    one.transport.sendRaft(GROUP, two.id, [Buffer.from('c')])
    assert.equal(
      one.transport.notify(9, two.id, (writer) => writer.byteString('digest')),
      true,
    )
    await wire.wait(50)
    assert.deepEqual(
      two.events.filter((event) => !event.startsWith('heard')),
      ['raft 4 from 1: a,b', 'raft 4 from 1: c', 'notice 9 from 1: digest'],
    )
  })
})

test('requests are answered, or refused, each by its own answer', () => {
  const wire = createWire(2)
  return wire.run(async () => {
    const [one, two] = await pair(wire)
    echo(two)
    const answers = await Promise.all([ask(one, 2, 'x'), ask(one, 2, 'refuse me'), ask(one, 2, 'y')])
    assert.deepEqual(answers, ['x!', null, 'y!'])
    assert.equal(await ask(one, 3, 'nobody there'), null)
  })
})

test('a request of a kind that nobody handles is refused', () => {
  const wire = createWire(3)
  return wire.run(async () => {
    const [one] = await pair(wire)
    assert.equal(await ask(one, 2, 'x'), null)
    assert.equal(one.transport.isConnected(makeReplicaId(2)), true)
  })
})

test('requests fail when their connection closes, and both sides are told that it did', () => {
  const wire = createWire(4)
  return wire.run(async () => {
    const [one, two] = await pair(wire)
    echo(two)
    const asked = ask(one, 2, 'say nothing')
    await wire.wait(50)
    wire.network.reset('n1', 'n2')
    assert.equal(await asked, null)
    await wire.wait(1)
    assert(withEvents('closed', one).includes('closed 2'))
    assert(withEvents('closed', two).includes('closed 1'))
  })
})

test('a lost connection is made again, and messages meanwhile are reported as dropped', () => {
  const wire = createWire(5)
  return wire.run(async () => {
    const [one, two] = await pair(wire)
    wire.network.reset('n1', 'n2')
    await wire.wait(1)
    one.transport.sendRaft(GROUP, two.id, [Buffer.from('lost')])
    assert.deepEqual(withEvents('unreachable', one), ['unreachable 2'])
    assert.equal(
      one.transport.notify(9, two.id, () => undefined),
      false,
    )
    await wire.wait(1_000)
    one.transport.sendRaft(GROUP, two.id, [Buffer.from('again')])
    await wire.wait(50)
    assert.deepEqual(withEvents('raft', two), ['raft 4 from 1: again'])
  })
})

test('a partner that fell silent is given up after some seconds, and found again when it is back', () => {
  const wire = createWire(6)
  return wire.run(async () => {
    const [one, two] = await pair(wire)
    echo(two)
    wire.network.partition([['n1'], ['n2']])
    const asked = ask(one, 2, 'into the void')
    assert.equal(await asked, null)
    assert(wire.scheduler.nowMs < 10_000, `after ${wire.scheduler.nowMs} ms`)
    wire.network.heal()
    await wire.wait(5_000)
    assert.equal(await ask(one, 2, 'back'), 'back!')
  })
})

test('a node of another cluster is refused, whoever calls', () => {
  const wire = createWire(7)
  return wire.run(async () => {
    const one = await wire.add(1, 'ours')
    const two = await wire.add(2, 'theirs')
    echo(two)
    wire.connect([one, two])
    await wire.wait(2_000)
    assert.equal(one.transport.isConnected(two.id), false)
    one.transport.sendRaft(GROUP, two.id, [Buffer.from('x')])
    assert.equal(await ask(one, 2, 'x'), null)
    assert.deepEqual(two.events, [])
    assert(one.lines.some((line) => line.includes('belongs to cluster theirs')))
  })
})

test('a node that is joining may ask, but has no say', () => {
  const wire = createWire(8)
  return wire.run(async () => {
    const member = await wire.add(1)
    const joining = await wire.add(2, '', false)
    echo(member)
    joining.transport.setPeers(new Map([[member.id, { host: 'n1', port: PORT }]]))
    await wire.wait(100)
    assert.equal(await ask(joining, 1, 'may I?'), 'may I?!')
    joining.transport.sendRaft(GROUP, member.id, [Buffer.from('vote for me')])
    await wire.wait(100)
    assert.deepEqual(member.events, ['asked by null: may I?'])
    assert(member.lines.some((line) => line.includes('unexpected frame type 2')))
  })
})

test('an address alone can be asked, and a silent or missing node does not hang the caller for ever', () => {
  const wire = createWire(9)
  return wire.run(async () => {
    const one = await wire.add(1)
    const two = await wire.add(2)
    echo(two)
    const askAt = (host: string): Promise<string | null> =>
      new Promise((resolve) => {
        one.transport.requestAt(
          ECHO,
          { host, port: PORT },
          (writer) => writer.byteString('x'),
          (body) => resolve(body === null ? null : body.byteString()),
        )
      })
    assert.equal(await askAt('n2'), 'x!')
    assert.equal(await askAt('nowhere'), null)
    assert.equal(wire.network.connectionCount('n2'), 0, 'closed afterwards')
  })
})

type Raw = { readonly connection: Connection; isClosed: boolean }

/** A connection that says whatever the test wants. */
async function raw(wire: Wire, from: WireNode, frames: readonly Uint8Array[]): Promise<Raw> {
  const connection = from.network.connect({ host: 'n1', port: PORT }, { timeoutMs: 1_000 })
  const end: Raw = { connection, isClosed: false }
  connection.handle({
    onOpen: () => {
      for (const frame of frames) connection.write(frame)
    },
    onData: () => undefined,
    onClose: () => {
      end.isClosed = true
    },
  })
  await wire.wait(200)
  return end
}

function hello(clusterId = 'cluster', from = 2, version = PROTOCOL_VERSION, incarnation = 1): Uint8Array {
  return makeFrame(FrameType.hello, (writer) => {
    writer.u8(version)
    writer.byteString(clusterId)
    writer.varint(from)
    writer.varint(incarnation)
    writer.byteString('n2')
    writer.byteString('n2')
    writer.u16(PORT)
  })
}

function raftFrame(group: number, text: string): Uint8Array {
  return makeFrame(FrameType.raft, (writer) => {
    writer.varint(group)
    writer.varint(1)
    writer.bytes(Buffer.from(text))
  })
}

const flipped = Buffer.from(raftFrame(4, 'evil'))
flipped[flipped.length - 1] = 0

const VIOLATIONS: readonly [string, readonly Uint8Array[]][] = [
  ['frames before the hello', [raftFrame(4, 'evil'), hello(), raftFrame(4, 'evil')]],
  ['another version', [hello('cluster', 2, PROTOCOL_VERSION + 1), raftFrame(4, 'evil')]],
  ['a member of no cluster', [hello('', 2), raftFrame(4, 'evil')]],
  ['a second hello', [hello(), hello('cluster', 3), raftFrame(4, 'evil')]],
  ['a wrong checksum', [hello(), flipped, raftFrame(4, 'evil')]],
  ['an unknown type', [hello(), makeFrame(42 as FrameType, () => undefined), raftFrame(4, 'evil')]],
  ['what is no group', [hello(), raftFrame(2 ** 40, 'evil'), raftFrame(4, 'evil')]],
  [
    'a body that ends too soon',
    [hello(), makeFrame(FrameType.raft, (writer) => writer.varint(4)), raftFrame(4, 'evil')],
  ],
  ['a hello too long', [hello('x'.repeat(10_000)), raftFrame(4, 'evil')]],
]

for (const [what, frames] of VIOLATIONS) {
  test(`${what}: the connection is closed, what follows is not believed, the node goes on`, () => {
    const wire = createWire(10)
    return wire.run(async () => {
      const one = await wire.add(1)
      const two = await wire.add(2)
      const end = await raw(wire, two, frames)
      assert.equal(end.isClosed, true)
      assert.deepEqual(withEvents('raft', one), [])
      assert.equal(one.lines.length, 1, one.lines.join('\n'))
      const good = await raw(wire, two, [hello(), raftFrame(4, 'good')])
      assert.equal(good.isClosed, false)
      assert.deepEqual(withEvents('raft', one), ['raft 4 from 2: good'])
    })
  })
}

const process = (incarnation: number): Uint8Array => hello('cluster', 2, PROTOCOL_VERSION, incarnation)

test('what a dead process said is not heard any more once the one after it has said hello', () => {
  const wire = createWire(14)
  return wire.run(async () => {
    const one = await wire.add(1)
    const two = await wire.add(2)
    const dead = await raw(wire, two, [process(7), raftFrame(4, 'before')])
    const late = await raw(wire, two, [process(7)])
    const next = await raw(wire, two, [process(9), raftFrame(4, 'after')])
    late.connection.write(raftFrame(4, 'late'))
    dead.connection.write(raftFrame(4, 'later still'))
    await wire.wait(200)
    assert.deepEqual(
      one.events.filter((event) => !event.startsWith('heard')),
      ['raft 4 from 2: before', 'restarted 2', 'raft 4 from 2: after', 'closed 2', 'closed 2'],
    )
    assert.deepEqual([dead.isClosed, late.isClosed, next.isClosed], [true, true, false])
  })
})

test('a connection of a process that was started again comes too late', () => {
  const wire = createWire(15)
  return wire.run(async () => {
    const one = await wire.add(1)
    const two = await wire.add(2)
    await raw(wire, two, [process(9), raftFrame(4, 'new')])
    const old = await raw(wire, two, [process(8), raftFrame(4, 'old')])
    assert.equal(old.isClosed, true)
    assert.deepEqual(withEvents('raft', one), ['raft 4 from 2: new'])
    assert(one.lines.some((line) => line.includes('before it was started again')))
    const same = await raw(wire, two, [process(9), raftFrame(4, 'same')])
    assert.equal(same.isClosed, false)
    assert.deepEqual(withEvents('restarted', one), [])
  })
})

test('the answers of a dead process on a connection to it are not heard either', () => {
  const wire = createWire(16)
  return wire.run(async () => {
    const [one, two] = await pair(wire)
    echo(two)
    wire.network.block('n2', 'n1')
    const asked = ask(one, 2, 'slow')
    await wire.wait(50)
    assert.deepEqual(withEvents('asked', two), ['asked by 1: slow'])
    const next = await raw(wire, await wire.add(3), [process(2)])
    assert.equal(await asked, null)
    assert.equal(next.isClosed, false)
  })
})

test('who connects and says nothing is disconnected', () => {
  const wire = createWire(11)
  return wire.run(async () => {
    await wire.add(1)
    const two = await wire.add(2)
    const end = await raw(wire, two, [])
    assert.equal(end.isClosed, false)
    await wire.wait(6_000)
    assert.equal(end.isClosed, true)
  })
})

test('a peer that does not read: what is sent is dropped beyond a bound, and that is reported', () => {
  const wire = createWire(12)
  return wire.run(async () => {
    const [one, two] = await pair(wire)
    wire.network.block('n1', 'n2')
    const large = Buffer.alloc(32 * 1024 * 1024)
    for (let count = 0; count < 8; count++) one.transport.sendRaft(GROUP, two.id, [large])
    const dropped = withEvents('unreachable', one).length
    assert(dropped >= 2 && dropped < 8, `${dropped} of 8 dropped`)
    assert.equal(one.transport.hasRoom(two.id), false)
    assert.equal(await ask(one, 2, 'x'), null, 'requests are not queued without end either')
  })
})

test('nothing is reconnected after a stop, and no connection is left', () => {
  const wire = createWire(13)
  return wire.run(async () => {
    const [one, two] = await pair(wire)
    await one.transport.stop()
    await two.transport.stop()
    await wire.wait(3_000)
    assert.equal(wire.network.connectionCount('n1'), 0)
    assert.equal(wire.network.connectionCount('n2'), 0)
  })
})
