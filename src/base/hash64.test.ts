/**
 * The state hash must not depend on the order of writes, must return to zero when everything is
 * taken away, and must see any single changed bit. Its arithmetic is part of what replicas agree
 * on, so some values are pinned.
 */
import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { ByteReader, MalformedBytes } from './byte-reader.ts'
import { ByteWriter } from './byte-writer.ts'
import { recordHash, recordLanes, StateHash } from './hash64.ts'
import { META_PARTITION, PARTITION_COUNT } from './machine.ts'

const bytes = (maxLength: number) =>
  fc.uint8Array({ maxLength }).map((array) => Buffer.from(array).latin1Slice())
const record = fc.record({
  partition: fc.integer({ min: 0, max: PARTITION_COUNT - 1 }),
  key: bytes(20),
  value: fc.oneof({ weight: 9, arbitrary: bytes(80) }, { weight: 1, arbitrary: bytes(600) }),
})
const records = fc.array(record, { maxLength: 30 })
const EMPTY = '0000000000000000'

function hashOf(key: string, value: string): string {
  recordHash(key, value)
  return `${recordLanes[0]}:${recordLanes[1]}`
}

function flipBit(text: string, bit: number): string {
  const buffer = Buffer.from(text, 'latin1')
  const at = bit >>> 3
  buffer[at] = (buffer[at] as number) ^ (1 << (bit & 7))
  return buffer.latin1Slice()
}

describe('the hash of a record', () => {
  it('is pinned: replicas of different builds compare it', () => {
    const pinned: readonly (readonly [string, string, string])[] = [
      ['', '', '1296341530:2454119590'],
      ['key', 'value', '4243703838:3114793294'],
      ['user:1', 'x'.repeat(1000), '2008797775:257718723'],
      ['user:1', 'y'.repeat(200_000), '2557468739:2019151522'],
    ]
    for (const [key, value, expected] of pinned) assert.equal(hashOf(key, value), expected)
  })

  it('changes with every single bit of key and value, in short and long values', () => {
    for (const length of [1, 2, 3, 4, 5, 7, 16, 33, 256, 257]) {
      const key = 'k'.repeat(Math.min(length, 40))
      const value = 'v'.repeat(length)
      const seen = new Set([hashOf(key, value)])
      for (let bit = 0; bit < key.length * 8; bit++) seen.add(hashOf(flipBit(key, bit), value))
      for (let bit = 0; bit < value.length * 8; bit++) seen.add(hashOf(key, flipBit(value, bit)))
      assert.equal(seen.size, 1 + (key.length + value.length) * 8, `length ${length}`)
    }
  })

  it('changes both lanes, so that either alone would notice', () => {
    const value = 'some value of a record'
    recordHash('key', value)
    const [a, b] = recordLanes
    for (let bit = 0; bit < value.length * 8; bit++) {
      recordHash('key', flipBit(value, bit))
      assert.notEqual(recordLanes[0], a)
      assert.notEqual(recordLanes[1], b)
    }
  })

  it('tells where the key ends', () => {
    const whole = 'abcdefghijkl'
    const hashes = new Set<string>()
    for (let at = 0; at <= whole.length; at++) hashes.add(hashOf(whole.slice(0, at), whole.slice(at)))
    assert.equal(hashes.size, whole.length + 1)
  })

  it('sees zero bytes at the end, in short, long and chunked values', () => {
    for (const length of [0, 1, 3, 4, 255, 256, 257, 65_535, 65_536, 65_537, 131_072]) {
      const value = '\0'.repeat(length)
      assert.notEqual(hashOf('k', value), hashOf('k', `${value}\0`), `length ${length}`)
    }
  })

  it('spreads: of 200,000 similar records no two share 64 bits, few share a lane', () => {
    const whole = new Set<string>()
    const laneA = new Set<number>()
    const laneB = new Set<number>()
    const count = 200_000
    for (let index = 0; index < count; index++) {
      whole.add(hashOf(`user:${index}`, `${index % 10}`))
      laneA.add(recordLanes[0] as number)
      laneB.add(recordLanes[1] as number)
    }
    assert.equal(whole.size, count)
    // A random function into 2^32 collides about 4.7 times here; 30 is far beyond chance.
    assert(count - laneA.size <= 30, `lane A collides ${count - laneA.size} times`)
    assert(count - laneB.size <= 30, `lane B collides ${count - laneB.size} times`)
  })
})

describe('the hash of a state', () => {
  it('does not depend on the order of writes', () => {
    fc.assert(
      fc.property(records, fc.integer(), (list, salt) => {
        const forwards = new StateHash()
        const shuffled = new StateHash()
        for (const { partition, key, value } of list) forwards.add(partition, key, value)
        const order = list.toSorted((left, right) => rank(left.key, salt) - rank(right.key, salt))
        for (const { partition, key, value } of order) shuffled.add(partition, key, value)
        assert.equal(forwards.digest(), shuffled.digest())
        assert.deepEqual(forwards.differences(shuffled), [])
      }),
      { seed: 21, numRuns: 200 },
    )
  })

  it('returns to nothing when everything is taken away, in any order', () => {
    const empty = new StateHash().digest()
    fc.assert(
      fc.property(records, (list) => {
        const hash = new StateHash()
        for (const { partition, key, value } of list) hash.add(partition, key, value)
        for (const { partition, key, value } of list.toReversed()) hash.subtract(partition, key, value)
        assert.equal(hash.digest(), empty)
      }),
      { seed: 22, numRuns: 200 },
    )
  })

  it('names the partitions that differ', () => {
    const left = new StateHash()
    const right = new StateHash()
    for (const hash of [left, right]) hash.add(5, 'same', 'value')
    left.add(0, 'a', '1')
    right.add(META_PARTITION, 'b', '2')
    assert.deepEqual(left.differences(right), [0, META_PARTITION])
    assert.notEqual(left.digest(), right.digest())
  })

  it('forgets one partition, or all data but not the bookkeeping', () => {
    const hash = new StateHash()
    hash.add(1, 'a', '1')
    hash.add(2, 'b', '2')
    hash.add(META_PARTITION, '\0m', '3')
    hash.clear(1)
    assert.equal(hash.partitionDigest(1), EMPTY)
    assert.notEqual(hash.partitionDigest(2), EMPTY)
    hash.clearData()
    assert.equal(hash.partitionDigest(2), EMPTY)
    assert.notEqual(hash.partitionDigest(META_PARTITION), EMPTY)
  })

  it('can be stored partition by partition', () => {
    const hash = new StateHash()
    hash.add(7, 'a', '1')
    hash.add(META_PARTITION, 'b', '2')
    const copy = new StateHash()
    for (const partition of [7, META_PARTITION]) {
      const words = Buffer.from(hash.lanesOf(partition, partition + 1), 'latin1')
      copy.setLanes(partition, words.readUInt32LE(0), words.readUInt32LE(4))
    }
    assert.equal(copy.digest(), hash.digest())
    assert.equal(
      hash.lanesOf(6, 9).slice(8, 16),
      hash.lanesOf(7, 8),
      'a stretch of partitions is theirs in a row',
    )
    for (const [from, to] of [
      [-1, 2],
      [3, 3],
      [PARTITION_COUNT, PARTITION_COUNT + 1],
    ] as const)
      assert.throws(() => hash.lanesOf(from, to), { name: 'AssertionError' })
    assert.throws(() => copy.setLanes(-1, 0, 0), { name: 'AssertionError' })
  })

  it('refuses partitions that do not exist', () => {
    const hash = new StateHash()
    for (const partition of [-1, PARTITION_COUNT, Number.NaN]) {
      assert.throws(() => hash.add(partition, 'k', 'v'), { name: 'AssertionError' })
      assert.throws(() => hash.subtract(partition, 'k', 'v'), { name: 'AssertionError' })
    }
  })
})

describe('the hash of a state on disk', () => {
  it('is read back as it was', () => {
    fc.assert(
      fc.property(records, (list) => {
        const hash = new StateHash()
        for (const { partition, key, value } of list) hash.add(partition, key, value)
        const reader = new ByteReader(serialised(hash))
        assert.equal(StateHash.parse(reader).digest(), hash.digest())
        reader.expectEnd()
      }),
      { seed: 23, numRuns: 200 },
    )
  })

  it('is refused when it is cut, of another version, or names a partition wrongly', () => {
    const hash = new StateHash()
    hash.add(3, 'a', '1')
    hash.add(9, 'b', '2')
    const whole = serialised(hash)
    for (let length = 0; length < whole.length; length++) {
      assert.throws(() => StateHash.parse(new ByteReader(whole.subarray(0, length))), MalformedBytes)
    }
    const wrong: readonly (readonly number[])[] = [
      [2, 0],
      [1, 2, 3, 1, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0],
      [1, 1, 3, 0, 0, 0, 0, 0, 0, 0, 0],
      [1, 1, 0xff, 0xff, 0x01, 1, 0, 0, 0, 1, 0, 0, 0],
    ]
    for (const each of wrong) {
      assert.throws(() => StateHash.parse(new ByteReader(Buffer.from(each))), MalformedBytes, each.join(' '))
    }
  })
})

function serialised(hash: StateHash): Buffer {
  const writer = new ByteWriter()
  hash.serialise(writer)
  return writer.takeBytes()
}

function rank(key: string, salt: number): number {
  recordHash(key, String(salt))
  return recordLanes[0] as number
}
