/**
 * A node of another cluster, or one that speaks another version of the protocol, connects to one of
 * ours, says who it is, and then says what a member would say: whatever one of ours once sent, requests
 * to join and forwarded commands among it. It must be shown the door at its hello, without one answer.
 */
import { utf8ToBytes } from '../../src/base/bytes.ts'
import { FrameSplitter, FrameType, makeFrame } from '../../src/replica/transport/frame.ts'
import { PROTOCOL_VERSION } from '../../src/replica/transport/peer-connection.ts'
import { PEER_PORT } from '../cluster/sim-node.ts'
import { createSimClock } from '../world/clock.ts'
import { eventTag } from '../world/scheduler.ts'
import type { Harm } from './harm.ts'

const FOREIGN_CLUSTER = 'f'.repeat(32)
const FINDING = eventTag('foreign-peer')

export function sendForeigner(harm: Harm): boolean {
  const { cluster, random } = harm
  const { network, scheduler } = cluster
  const member = random.pick(cluster.nodes)
  const target = random.pick(cluster.nodes)
  // Before it has a cluster a node can't know who is a stranger to it.
  if (target.running === null) return false
  harm.note(target, 'a node of another cluster connects')
  const name = `foreign-${scheduler.eventCount}`
  const place = network.attach(name, createSimClock(scheduler))
  const connection = place.connect({ host: target.host, port: PEER_PORT }, { timeoutMs: 1_000 })
  const splitter = new FrameSplitter()
  connection.handle({
    onOpen: () => {
      connection.write(foreignHello(name, harm))
      for (const { frames } of member.frames.recordings) {
        for (const frame of frames.slice(1)) connection.write(frame)
      }
    },
    onData: (chunk) =>
      splitter.feed(chunk, ({ type }) => {
        if (type === FrameType.hello) return
        scheduler.after(0, FINDING, () => {
          throw new Error(`${target.host} answered a node of another cluster with a frame of type ${type}`)
        })
      }),
    onClose: () => undefined,
  })
  harm.after(harm.durationMs(), () => connection.destroy())
  return true
}

function foreignHello(name: string, { random, cluster }: Harm): Uint8Array {
  const isOtherVersion = random.chance(0.3)
  const clusterId = cluster.nodes.find((node) => node.running !== null)?.running?.status().clusterId ?? ''
  return makeFrame(FrameType.hello, (writer) => {
    writer.u8(isOtherVersion ? PROTOCOL_VERSION - 1 : PROTOCOL_VERSION)
    writer.byteString(isOtherVersion ? clusterId : FOREIGN_CLUSTER)
    writer.varint(random.between(1, cluster.nodes.length))
    writer.varint(1)
    writer.byteString(name)
    writer.byteString(utf8ToBytes(name))
    writer.u16(PEER_PORT)
  })
}
