/**
 * Where we answer differently from redis-server on purpose, or because nobody has needed it yet. A
 * difference that is gone must be taken off the list, and its calls go back to `random-commands.ts`.
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { startMachineEndpoint } from './machine-endpoint.ts'
import { type RunningServer, redisServerMissing, startRedisServer } from './redis-server.ts'
import { connectRespClient } from './resp-client.ts'

type Difference = {
  readonly why: string
  readonly calls: readonly (readonly string[])[]
  /** Replies to the last call. */
  readonly theirs: RegExp
  readonly ours: RegExp
}

const DIFFERENCES: readonly Difference[] = [
  {
    why: 'an expiry beyond the year 287396 does not fit our milliseconds (2^53)',
    calls: [
      ['set', 'k', 'v'],
      ['pexpireat', 'k', '9223372036854775807'],
    ],
    theirs: /^1$/,
    ours: /^ERR invalid expire time in 'pexpireat' command$/,
  },
  {
    why: 'hexadecimal numbers are no numbers',
    calls: [
      ['del', 'k'],
      ['incrbyfloat', 'k', '0x10'],
    ],
    theirs: /^16$/,
    ours: /^ERR value is not a valid float$/,
  },
  {
    why: 'FLUSHALL also touches watched keys that do not exist',
    calls: [['del', 'k'], ['watch', 'k'], ['flushall'], ['multi'], ['set', 'k', 'v'], ['exec'], ['get', 'k']],
    theirs: /^v$/,
    ours: /^$/,
  },
]

describe('known differences from redis-server', { skip: redisServerMissing() ?? false }, () => {
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

  for (const difference of DIFFERENCES) {
    test(difference.why, async () => {
      for (const [server, expected] of [
        [reference, difference.theirs],
        [ours, difference.ours],
      ] as const) {
        const client = await connectRespClient(server.endpoint)
        const reply = (await client.pipeline(difference.calls)).at(-1)
        client.close()
        assert.ok(reply !== undefined && 'text' in reply)
        assert.match(reply.text ?? '', expected)
      }
    })
  }
})
