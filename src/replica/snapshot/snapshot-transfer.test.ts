/** Sender and receiver over the simulated network: whatever happens on the way, all or nothing arrives. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { slowEngineStore } from '../../../sim/cluster/slow-engine.ts'
import { createSimRandom } from '../../../sim/world/random.ts'
import { freshStore, recordingLogger } from '../../../test/replica-parts.ts'
import { createWire, type Wire, type WireNode } from '../../../test/replica-wire.ts'
import { partitionOf } from '../../../test/tiny-machine.ts'
import { makeGroupId } from '../../base/ids.ts'
import { makeLogIndex, makeTerm } from '../../base/log-entry.ts'
import type { KeyValue } from '../../base/machine.ts'
import type { Engine } from '../../env/engine.ts'
import { createMemoryEngineStore } from '../../storage/memory-engine.ts'
import { RequestKind } from '../request-kinds.ts'
import { makeEngineKeys } from '../state/engine-records.ts'
import type { StateStore } from '../state/state-store.ts'
import { SnapshotReceiver } from './snapshot-receiver.ts'
import { sendSnapshot } from './snapshot-sender.ts'

const GROUP = makeGroupId(1)
const INDEX = 3
const RECORDS = 4_000

type Receiving = {
  readonly node: WireNode
  readonly store: StateStore
  readonly engine: Engine
  readonly receiver: SnapshotReceiver
  readonly offered: number[]
  readonly lines: string[]
  chunks: number
  /** Of the receiving replica. */
  term: number
}

function recordsOf(count: number, mark: string): KeyValue[] {
  const records: KeyValue[] = [{ key: '\x00count', value: mark }]
  for (let at = 0; at < count; at++) {
    const name = `k${String(at).padStart(6, '0')}`
    records.push({ key: name, value: `${mark} ${at} ${'x'.repeat(at % 300)}` })
  }
  return records
}

/** The state of a leader: `records`, flushed, applied up to `INDEX`. */
async function sending(
  wire: Wire,
  records: readonly KeyValue[],
): Promise<{ node: WireNode; store: StateStore }> {
  const node = await wire.add(1)
  const engine = await slowEngineStore(createMemoryEngineStore(), wire.clock, () => 0.2).open('e')
  const store = freshStore(engine, { flushRecords: 100_000, flushBytes: 1e9 })
  for (let index = 1; index <= INDEX; index++) {
    if (index === INDEX) {
      for (const { key, value } of records) {
        const fetched = {
          values: new Map([[key, null]]),
          ranges: [],
          flushCount: 0,
          keys: makeEngineKeys({ data: 1, meta: 1 }),
        }
        store.write([{ partition: partitionOf(key), key, value }], false, fetched, 0)
      }
    }
    store.finishEntry({ term: makeTerm(2), index: makeLogIndex(index) }, 0, 1, Uint8Array.of(1))
  }
  return { node, store }
}

async function receiving(wire: Wire, accepts = true): Promise<Receiving> {
  const node = await wire.add(2)
  const engine = await slowEngineStore(createMemoryEngineStore(), wire.clock, () => 0.5).open('e')
  const store = freshStore(engine)
  const offered: number[] = []
  const lines: string[] = []
  const receiver = new SnapshotReceiver({
    store,
    partitionOf,
    logger: recordingLogger(lines),
    term: () => makeTerm(end.term),
    offer: (position) => {
      offered.push(position.index)
      return accepts
    },
  })
  const end: Receiving = { node, store, engine, receiver, offered, lines, chunks: 0, term: 2 }
  const { transport } = node
  transport.handle(RequestKind.snapshotBegin, (from, body, respond) =>
    receiver.begin(from ?? fail(), body, respond),
  )
  transport.handle(RequestKind.snapshotChunk, (from, body, respond) => {
    end.chunks += 1
    receiver.chunk(from ?? fail(), body, respond)
  })
  transport.handle(RequestKind.snapshotEnd, (from, body, respond) =>
    receiver.end(from ?? fail(), body, respond),
  )
  return end
}

function fail(): never {
  throw new Error('a node without a number')
}

function send(
  wire: Wire,
  from: { node: WireNode; store: StateStore },
  number = 1,
  isCancelled = () => false,
) {
  const { transport } = from.node
  const target = { to: 2 as never, group: GROUP, number, term: makeTerm(2) }
  return sendSnapshot({ store: from.store, transport, clock: wire.clock, isCancelled }, target)
}

async function install({ store, receiver }: Receiving): Promise<void> {
  const { applied, hash } = receiver.take({ index: makeLogIndex(INDEX), term: makeTerm(2) })
  await store.install(applied, hash)
}

async function assertHolds({ engine, store }: Receiving, records: readonly KeyValue[]): Promise<void> {
  const all = await engine.range({ from: 'D', to: 'N', limit: 100_000 })
  const keys = makeEngineKeys(store.applied.epochs)
  const found = all
    .filter(({ key }) => !key.startsWith('H'))
    .map(({ key, value }) => ({ key: keys.machineKeyOf(key), value }))
  const sorted = [...found].sort((left, right) => (left.key < right.key ? -1 : 1))
  assert.deepEqual(sorted, records)
}

/** Neither as the state nor under an epoch of its own. */
async function assertNothingReceived({ engine }: Receiving): Promise<void> {
  assert.deepEqual(await engine.range({ from: 'D', to: 'N', limit: 10 }), [])
}

async function connected(wire: Wire, nodes: readonly WireNode[]): Promise<void> {
  wire.connect(nodes)
  await wire.wait(100)
}

test('a whole state arrives, record by record, and becomes the state at once', () => {
  const wire = createWire(1)
  return wire.run(async () => {
    const records = recordsOf(RECORDS, 'one')
    const from = await sending(wire, records)
    const to = await receiving(wire)
    await connected(wire, [from.node, to.node])
    assert.equal(await send(wire, from), INDEX)
    assert.deepEqual(to.offered, [INDEX])
    assert(to.chunks >= 4, 'at most 1,279 records a chunk')
    assert.equal(to.store.applied.position.index, 0, 'not before consensus took it')
    await install(to)
    assert.equal(to.store.applied.position.index, INDEX)
    assert.equal(to.store.digest(), from.store.digest())
    await assertHolds(to, records)
  })
})

test('an empty state travels too', () => {
  const wire = createWire(2)
  return wire.run(async () => {
    const from = await sending(wire, [])
    const to = await receiving(wire)
    await connected(wire, [from.node, to.node])
    assert.equal(await send(wire, from), INDEX)
    await install(to)
    await assertHolds(to, [])
  })
})

test('connections that break at any moment: the stream is resumed, not begun again', async () => {
  let resumed = 0
  for (let seed = 1; seed <= 12; seed++) {
    const wire = createWire(100 + seed)
    await wire.run(async () => {
      const random = createSimRandom(seed)
      const records = recordsOf(RECORDS, `seed ${seed}`)
      const from = await sending(wire, records)
      const to = await receiving(wire)
      await connected(wire, [from.node, to.node])
      let isDone = false
      const sent = send(wire, from).finally(() => {
        isDone = true
      })
      let breaks = 0
      for (; breaks < 5 && !isDone; breaks++) {
        await wire.wait(random.next() * 20)
        wire.network.reset('n1', 'n2')
        await wire.wait(random.next() * 400)
      }
      assert.equal(await sent, INDEX, `seed ${seed}`)
      const whole = 1 + Math.ceil(RECORDS / 1_024)
      if (to.offered.length === 1 && to.chunks > 0) resumed += 1
      assert(
        to.chunks <= (whole + 2) * (1 + to.offered.length) + breaks,
        `${to.chunks} chunks, ${breaks} breaks`,
      )
      await install(to)
      await assertHolds(to, records)
    })
  }
  assert(resumed > 0)
})

test('what is half received when the replica stops is removed', () => {
  const wire = createWire(4)
  return wire.run(async () => {
    const from = await sending(wire, recordsOf(RECORDS, 'one'))
    const to = await receiving(wire)
    await connected(wire, [from.node, to.node])
    const sent = send(wire, from)
    while (to.chunks < 2) await wire.wait(1)
    await to.receiver.stop()
    await assertNothingReceived(to)
    assert.equal(await sent, null)
    await assertNothingReceived(to)
  })
})

test('what is received and not yet installed when the replica stops is removed', () => {
  const wire = createWire(4)
  return wire.run(async () => {
    const from = await sending(wire, recordsOf(10, 'one'))
    const to = await receiving(wire)
    await connected(wire, [from.node, to.node])
    assert.equal(await send(wire, from), INDEX)
    await to.receiver.stop()
    await assertNothingReceived(to)
  })
})

test('what a deposed leader has not finished is removed, and it can begin nothing more', () => {
  const wire = createWire(3)
  return wire.run(async () => {
    const from = await sending(wire, recordsOf(RECORDS, 'one'))
    const to = await receiving(wire)
    await connected(wire, [from.node, to.node])
    const sent = send(wire, from, 1, () => to.chunks >= 2)
    while (to.chunks < 2) await wire.wait(1)
    to.term = 3
    to.receiver.termChanged()
    assert.equal(await sent, null)
    await wire.wait(100)
    await assertNothingReceived(to)
    assert.equal(await send(wire, from, 2), null)
    await assertNothingReceived(to)
    assert.deepEqual(to.offered, [])
  })
})

/** Calls of one kind go wrong in some way. */
function tamper(node: WireNode, kind: number, change: (bytes: Buffer) => void): void {
  const request = node.transport.request.bind(node.transport)
  node.transport.request = (asked, to, write, onResponse) => {
    if (asked !== kind) return request(asked, to, write, onResponse)
    request(
      asked,
      to,
      (writer) => {
        const at = writer.length
        write(writer)
        change(writer.view(at))
      },
      onResponse,
    )
  }
}

test('a byte changed before the frame was sealed is found by the digest: nothing is installed, nothing is left', () => {
  const wire = createWire(4)
  return wire.run(async () => {
    const from = await sending(wire, recordsOf(500, 'one'))
    const to = await receiving(wire)
    await connected(wire, [from.node, to.node])
    tamper(from.node, RequestKind.snapshotChunk, (bytes) => {
      const last = bytes.length - 1
      bytes[last] = (bytes[last] as number) ^ 1
    })
    assert.equal(await send(wire, from), null)
    assert.deepEqual(to.offered, [])
    assert(to.lines.some((line) => line.includes('does not match its digest')))
    await assertNothingReceived(to)
  })
})

test('consensus does not want it: it is thrown away, and the sender is told', () => {
  const wire = createWire(5)
  return wire.run(async () => {
    const from = await sending(wire, recordsOf(500, 'one'))
    const to = await receiving(wire, false)
    await connected(wire, [from.node, to.node])
    assert.equal(await send(wire, from), null)
    assert.deepEqual(to.offered, [INDEX])
    await assertNothingReceived(to)
  })
})

test('a newer snapshot replaces one that was half received, whose records go', () => {
  const wire = createWire(6)
  return wire.run(async () => {
    const records = recordsOf(RECORDS, 'one')
    const from = await sending(wire, records)
    const to = await receiving(wire)
    await connected(wire, [from.node, to.node])
    let isCancelled = false
    const first = send(wire, from, 1, () => isCancelled)
    while (to.chunks < 2) await wire.wait(1)
    isCancelled = true
    assert.equal(await first, null)
    assert.equal(await send(wire, from, 2), INDEX)
    await install(to)
    await assertHolds(to, records)
  })
})

test('a receiver that refuses every chunk is given up after a number of attempts', () => {
  const wire = createWire(7)
  return wire.run(async () => {
    const from = await sending(wire, recordsOf(10, 'one'))
    const to = await wire.add(2)
    let attempts = 0
    to.transport.handle(RequestKind.snapshotBegin, (_from, _body, respond) =>
      respond((writer) => writer.varint(0)),
    )
    to.transport.handle(RequestKind.snapshotChunk, (_from, _body, respond) => {
      attempts += 1
      respond(null)
    })
    await connected(wire, [from.node, to])
    assert.equal(await send(wire, from), null)
    assert.equal(attempts, 30)
  })
})

test('a receiver that never answers does not hold the sender for ever', () => {
  const wire = createWire(8)
  return wire.run(async () => {
    const from = await sending(wire, recordsOf(10, 'one'))
    const to = await wire.add(2)
    to.transport.handle(RequestKind.snapshotBegin, () => undefined)
    await connected(wire, [from.node, to])
    assert.equal(await send(wire, from), null)
    assert(wire.scheduler.nowMs > 90_000 && wire.scheduler.nowMs < 120_000)
  })
})

test("an older leader's stream does not take the place of a newer leader's", () => {
  const wire = createWire(9)
  return wire.run(async () => {
    const from = await sending(wire, recordsOf(10, 'one'))
    const to = await receiving(wire)
    await connected(wire, [from.node, to.node])
    const { transport } = from.node
    const begin = (number: number, term: number): Promise<boolean> => {
      let isCancelled = false
      const target = { to: to.node.id, group: GROUP, number, term: makeTerm(term) }
      // Enough for the first request, and no more.
      const sent = sendSnapshot(
        {
          store: from.store,
          transport: {
            isConnected: () => true,
            hasRoom: () => true,
            request: (kind: number, peer: never, write: never, onResponse: (body: unknown) => void) =>
              transport.request(kind, peer, write, (body) => {
                isCancelled = true
                answered = body !== null
                onResponse(body)
              }),
          } as never,
          clock: wire.clock,
          isCancelled: () => isCancelled,
        },
        target,
      )
      let answered = false
      return sent.then(() => answered)
    }
    assert.equal(await begin(1, 5), true)
    assert.equal(await begin(2, 4), false)
    assert.equal(await begin(3, 6), true)
  })
})
