/**
 * What must hold between the records of a key machine after every command, however it came about.
 * Written against docs/formats/keyspace.md, not against the code, so offsets are spelled out again.
 */
import assert from 'node:assert/strict'
import type { ByteString } from '../src/base/bytes.ts'
import type { KeyValue } from '../src/base/machine.ts'
import { hashKey, slotOf } from '../src/kv/slot.ts'

function uint(bytes: ByteString, at: number, length: number): number {
  const value = Number.parseInt(Buffer.from(bytes.slice(at, at + length), 'latin1').toString('hex'), 16)
  assert(Number.isSafeInteger(value))
  return value
}

export function checkKeyRecords(records: readonly KeyValue[]): void {
  const expiries = new Set<ByteString>()
  const memberCounts = new Map<ByteString, number>()
  const members = new Map<ByteString, number>()
  const garbage = new Set<ByteString>()
  let keyCount = 0
  let countedKeys = 0
  let lastVersion = 0
  let versionCounter = 0
  for (const { key, value } of records) {
    if (key === '\0c') countedKeys = uint(value, 0, 8)
    else if (key === '\0v') versionCounter = uint(value, 0, 8)
    else if (key.startsWith('x')) expiries.add(key)
    else if (key.startsWith('g')) garbage.add(key.slice(1))
    else if (key.startsWith('m')) members.set(key.slice(1, 11), (members.get(key.slice(1, 11)) ?? 0) + 1)
    else if (key.startsWith('d')) keyCount += (uint(value, 0, 1) & 0x0f) === 0 ? 0 : 1
    else assert(/^\0[srt]/.test(key), 'a record of no known kind')
  }
  for (const { key, value } of records) {
    if (!key.startsWith('d')) continue
    const name = key.slice(7)
    assert.equal(uint(key, 1, 2), slotOf(name), 'slot')
    assert.equal(uint(key, 3, 4), hashKey(name), 'hash')
    const first = uint(value, 0, 1)
    assert.equal(first & 0xe0, 0x40, 'encoding')
    const flags = uint(value, value.length - 8, 1)
    const isTrace = (first & 0x0f) === 0
    assert(isTrace ? flags === 1 && value.length === 17 : flags <= 1, 'flags of the trailer')
    const revision = uint(value, value.length - 7, 7)
    assert(revision > 0 && revision <= versionCounter, 'a revision above the counter')
    const hasExpiry = (first & 0x10) !== 0
    if (hasExpiry) {
      assert(
        expiries.delete(`x${value.slice(1, 9)}${key.slice(1, 3)}${name}`),
        'an expiry is not in the index',
      )
    }
    if ((first & 0x0f) !== 2) continue
    const at = hasExpiry ? 9 : 1
    lastVersion = Math.max(lastVersion, uint(value, at, 8))
    memberCounts.set(key.slice(1, 3) + value.slice(at, at + 8), uint(value, at + 8, 4))
  }
  assert.equal(countedKeys, keyCount, 'key count')
  assert.equal(expiries.size, 0, 'the index names expiries that no key has')
  assert(lastVersion <= versionCounter, 'a version above the counter')
  for (const [hash, count] of memberCounts) {
    assert(count > 0 && !garbage.has(hash), 'a living hash is empty or garbage')
    assert.equal(members.get(hash), count, 'the count of a hash')
  }
  for (const hash of members.keys()) assert(memberCounts.has(hash) || garbage.has(hash), 'members of nobody')
}
