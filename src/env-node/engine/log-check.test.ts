import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { describe, it } from 'node:test'
import { crc32c } from './crc32c.ts'
import { checkLogBytes, LOG_BLOCK_BYTES } from './log-check.ts'

/** A log with these payloads, as RocksDB would write it. */
function makeLog(payloads: readonly Buffer[]): Buffer {
  const parts: Buffer[] = []
  let length = 0
  const append = (bytes: Buffer) => {
    parts.push(bytes)
    length += bytes.length
  }
  for (const payload of payloads) {
    let at = 0
    let isFirst = true
    do {
      let room = LOG_BLOCK_BYTES - (length % LOG_BLOCK_BYTES)
      if (room < 7) {
        append(Buffer.alloc(room))
        room = LOG_BLOCK_BYTES
      }
      const part = payload.subarray(at, at + room - 7)
      at += part.length
      const isLast = at === payload.length
      const type = isFirst ? (isLast ? 1 : 2) : isLast ? 4 : 3
      const body = Buffer.concat([Buffer.from([type]), part])
      const crc = crc32c(body, 0, body.length)
      const header = Buffer.alloc(6)
      header.writeUInt32LE((((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0, 0)
      header.writeUInt16LE(part.length, 4)
      append(Buffer.concat([header, body]))
      isFirst = false
    } while (at < payload.length)
  }
  return Buffer.concat(parts)
}

const payload = (bytes: number, seed: number): Buffer =>
  Buffer.from(Array.from({ length: bytes }, (_, at) => (at * 31 + seed * 7 + (at >> 8)) & 0xff))
const LOG = makeLog([10, 0, 300, 32_700, 40, 90_000, 5, 32_747, 12].map(payload))

describe('crc32c', () => {
  it('gives the published check values, whatever the alignment', () => {
    const digits = Buffer.from('123456789')
    assert.equal(crc32c(digits, 0, 9), 0xe3069283)
    assert.equal(crc32c(Buffer.alloc(32), 0, 32), 0x8a9136aa)
    assert.equal(crc32c(Buffer.alloc(32, 0xff), 0, 32), 0x62a8ab43)
    for (let shift = 0; shift < 9; shift++) {
      const shifted = Buffer.concat([Buffer.alloc(shift, 7), digits, Buffer.alloc(3)])
      assert.equal(crc32c(shifted, shift, shift + 9), 0xe3069283)
    }
    assert.equal(crc32c(digits, 4, 4), 0)
  })
})

describe('checkLogBytes', () => {
  it('finds a whole log whole, and an empty one', () => {
    assert.deepEqual(checkLogBytes(LOG), { kind: 'whole' })
    assert.deepEqual(checkLogBytes(Buffer.alloc(0)), { kind: 'whole' })
  })

  it('calls a log cut at any byte whole or torn, never damaged', () => {
    for (let length = 0; length < LOG.length; length += length < 400 ? 1 : 997) {
      const { kind } = checkLogBytes(LOG.subarray(0, length))
      assert(kind === 'torn' || kind === 'whole', `cut at ${length}: ${kind}`)
    }
    assert.equal(checkLogBytes(Buffer.concat([LOG, Buffer.alloc(500)])).kind, 'torn')
  })

  it('calls a log with any changed byte damaged, its last record included', () => {
    for (let at = 0; at < LOG.length; at += at < 500 || at > LOG.length - 40 ? 1 : 997) {
      for (const xor of [0x01, 0x80, 0xff]) {
        const changed = Buffer.from(LOG)
        changed[at] = (changed[at] as number) ^ xor
        const found = checkLogBytes(changed)
        assert.equal(found.kind, 'damaged', `byte ${at} ^ ${xor}`)
      }
    }
  })

  it('calls lost sectors and lost fragments damage', () => {
    const zeroed = Buffer.from(LOG)
    zeroed.fill(0, 0, 512)
    assert.equal(checkLogBytes(zeroed).kind, 'damaged')
    const twoBlocks = makeLog([payload(40_000, 1), payload(10, 2)])
    const firstTwice = Buffer.concat([twoBlocks.subarray(0, LOG_BLOCK_BYTES), twoBlocks])
    assert.equal(checkLogBytes(firstTwice).kind, 'damaged')
    assert.equal(checkLogBytes(twoBlocks.subarray(LOG_BLOCK_BYTES)).kind, 'damaged')
  })
})
