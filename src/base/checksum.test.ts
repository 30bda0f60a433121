/** Published vectors of each algorithm, and that nothing unknown or empty ever counts as a match. */
import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { describe, it } from 'node:test'
import { CHECKSUM_NAMES, checksum, crc32, sha256Hex, verifyChecksum } from './checksum.ts'

const DIGITS = Buffer.from('123456789')

describe('checksums', () => {
  it('agree with the published vectors', () => {
    assert.equal(crc32(Buffer.alloc(0)), 0)
    assert.equal(crc32(DIGITS), 0xcbf43926)
    assert.equal(checksum('CRC32', DIGITS), 'cbf43926')
    assert.equal(checksum('CRC32', Buffer.alloc(0)), '00000000')
    assert.equal(checksum('MD5', Buffer.alloc(0)), 'd41d8cd98f00b204e9800998ecf8427e')
    assert.equal(checksum('MD5', Buffer.from('abc')), '900150983cd24fb0d6963f7d28e17f72')
    const abc = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'
    assert.equal(sha256Hex(Buffer.from('abc')), abc)
    assert.equal(checksum('SHA256', Buffer.from('abc')), abc)
  })

  it('continue over the parts of a record', () => {
    for (let cut = 0; cut <= DIGITS.length; cut++) {
      assert.equal(crc32(DIGITS.subarray(cut), crc32(DIGITS.subarray(0, cut))), 0xcbf43926)
    }
  })

  it('refuse an algorithm that is not known, also under names every object has', () => {
    for (const name of ['', 'crc32', 'CRC32C', 'SHA1', 'toString', '__proto__']) {
      assert.throws(() => checksum(name, DIGITS), { name: 'invalidFormat' }, name)
      assert.throws(() => verifyChecksum(name, DIGITS, ''), { name: 'invalidFormat' }, name)
    }
  })
})

describe('checking a checksum', () => {
  it('accepts the right one in either case, and nothing else', () => {
    for (const name of CHECKSUM_NAMES) {
      const right = checksum(name, DIGITS)
      verifyChecksum(name, DIGITS, right)
      verifyChecksum(name, DIGITS, right.toUpperCase())
      for (const wrong of [
        '',
        ' ',
        right.slice(1),
        `${right}0`,
        right.replace(/./, right[0] === '0' ? '1' : '0'),
      ]) {
        assert.throws(() => verifyChecksum(name, DIGITS, wrong), {
          name: 'checksumMismatch',
          type: 'corruption',
          code: 1001,
        })
      }
    }
  })

  it('notices every flipped bit', () => {
    for (const name of CHECKSUM_NAMES) {
      const right = checksum(name, DIGITS)
      for (let bit = 0; bit < DIGITS.length * 8; bit++) {
        const flipped = Buffer.from(DIGITS)
        flipped[bit >>> 3] = (flipped[bit >>> 3] as number) ^ (1 << (bit & 7))
        assert.throws(() => verifyChecksum(name, flipped, right), { name: 'checksumMismatch' })
      }
    }
  })
})
