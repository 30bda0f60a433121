/** What one of redis-server and us dumps, the other restores. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { createSimRandom } from '../../sim/world/random.ts'
import { startMachineEndpoint } from './machine-endpoint.ts'
import { type RunningServer, redisServerMissing, startRedisServer } from './redis-server.ts'
import { connectRespClient, type RespClient } from './resp-client.ts'

const VALUES = 60
const ALPHABETS = ['ab', '0123456789', '\0\xff\r\n', 'a'].map((text) => text.split(''))

const random = createSimRandom(20_260_705)

function someText(): string {
  const alphabet = random.pick(ALPHABETS)
  const length = random.pick([0, 1, 20, 63, 64, 200, 16_383, 16_384, 70_000])
  return Array.from({ length }, () => random.pick(alphabet)).join('')
}

function someHash(): string[] {
  const members = new Map<string, string>()
  const count = random.pick([1, 5, 130, 600])
  for (let at = 0; at < count; at++) {
    members.set(
      `${random.pick(['', 'f', '-'])}${at}`,
      random.chance(0.1) ? someText() : String(random.below(70_000)),
    )
  }
  return [...members].flat()
}

describe('DUMP and RESTORE', { skip: redisServerMissing() ?? false }, () => {
  let reference: RunningServer
  let ours: RunningServer
  before(async () => {
    reference = await startRedisServer()
    ours = await startMachineEndpoint()
  })
  after(async () => {
    await reference?.stop()
    await ours?.stop()
  })

  async function carry(from: RespClient, to: RespClient): Promise<void> {
    for (let round = 0; round < VALUES; round++) {
      const isHash = random.chance(0.5)
      const make = isHash ? ['hset', 'k', ...someHash()] : ['set', 'k', someText()]
      await from.pipeline([['del', 'k'], make])
      const payload = await from.call('dump', 'k')
      assert.ok('text' in payload && payload.text !== null)
      assert.deepEqual(await to.call('restore', 'k', '0', payload.text, 'replace'), { type: '+', text: 'OK' })
      const read = isHash ? ['hgetall', 'k'] : ['get', 'k']
      const [there, here] = [await from.call(...read), await to.call(...read)]
      assert.deepEqual(sorted(there), sorted(here))
    }
  }

  test('from redis-server to us, and back', async () => {
    const [theirs, our] = [
      await connectRespClient(reference.endpoint),
      await connectRespClient(ours.endpoint),
    ]
    try {
      await carry(theirs, our)
      await carry(our, theirs)
    } finally {
      theirs.close()
      our.close()
    }
  })
})

/** Fields with their values, in no order that matters. */
function sorted(reply: Awaited<ReturnType<RespClient['call']>>): unknown {
  if (!('members' in reply)) return reply
  const pairs = reply.members.flatMap((member, at) =>
    at % 2 === 0 ? [JSON.stringify([member, reply.members[at + 1]])] : [],
  )
  return pairs.sort((one, other) => (one < other ? -1 : 1))
}
