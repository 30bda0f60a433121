import assert from 'node:assert/strict'
import { test } from 'node:test'
import { crc64 } from './crc64.ts'

test('the checksum of Redis’ own example, and of nothing', () => {
  const hex = (bytes: string): string => Buffer.from(bytes, 'latin1').reverse().toString('hex')
  assert.equal(hex(crc64('123456789')), 'e9c6d914c4b8d9ca')
  assert.equal(hex(crc64('')), '0000000000000000')
})
