import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { OPTION_NAMES, specOf } from './option-table.ts'
import {
  addressesKind,
  choicesKind,
  durationKind,
  hostKind,
  isHost,
  nodeIdKind,
  portKind,
  showAddress,
  sizeKind,
  switchKind,
} from './value-kinds.ts'

const SEED = 20_261

test('a port is a whole number from 0 to 65535, and nothing that merely looks like one', () => {
  assert.equal(portKind.parse('0'), 0)
  assert.equal(portKind.parse('65535'), 65_535)
  for (const text of [
    '65536',
    '-1',
    '',
    ' 1',
    '1e3',
    '0x10',
    '6379.0',
    'tcp://10.0.0.1:6379',
    '99999999999999999999',
  ]) {
    assert.equal(portKind.parse(text), null, text)
  }
})

test('hosts are names and addresses without a port', () => {
  for (const text of [
    '127.0.0.1',
    '::1',
    'localhost',
    'n1.holdfast.svc.cluster.local',
    'a_b',
    'fe80::1%eth0',
    '0.0.0.0',
    '::',
  ]) {
    assert.ok(isHost(text), text)
  }
  for (const text of [
    '',
    '256.1.1.1',
    '1.2.3',
    'a..b',
    '-a',
    'a b',
    'http://a',
    'a/b',
    'a:1',
    `${'a'.repeat(254)}`,
  ]) {
    assert.ok(!isHost(text), text)
  }
})

test('addresses are split at commas, with IPv6 hosts in brackets', () => {
  assert.deepEqual(addressesKind.parse('127.0.0.1:7400, n2:7401'), [
    { host: '127.0.0.1', port: 7400 },
    { host: 'n2', port: 7401 },
  ])
  assert.deepEqual(addressesKind.parse('[::1]:7400'), [{ host: '::1', port: 7400 }])
  for (const text of ['', 'n1', 'n1:0', 'n1:65536', 'n1:7400,', '::1:7400', 'n1:7400 n2:7400']) {
    assert.equal(addressesKind.parse(text), null, text)
  }
})

test('an address that is shown is read back as the same address', () => {
  const host = fc.constantFrom('localhost', '127.0.0.1', '::1', 'fe80::2', 'n1.example')
  const address = fc.record({ host, port: fc.integer({ min: 1, max: 65_535 }) }, { noNullPrototype: true })
  fc.assert(
    fc.property(fc.array(address, { minLength: 1, maxLength: 5 }), (addresses) => {
      assert.deepEqual(addressesKind.parse(addressesKind.show(addresses)), addresses)
      assert.ok(addresses.every((one) => showAddress(one).endsWith(`:${one.port}`)))
    }),
    { seed: SEED },
  )
})

test('a duration needs its unit and keeps to its range', () => {
  const kind = durationKind(5, 60_000)
  assert.equal(kind.parse('30ms'), 30)
  assert.equal(kind.parse('1.5s'), 1_500)
  assert.equal(kind.parse('1m'), 60_000)
  for (const text of ['30', '4ms', '61s', '-1s', 's', '1 day', '']) assert.equal(kind.parse(text), null, text)
  assert.match(kind.allowed, /5ms to 1m$/)
})

test('a size tells decimal from binary units', () => {
  const kind = sizeKind(0, 2 ** 40)
  assert.equal(kind.parse('1KB'), 1_000)
  assert.equal(kind.parse('1KiB'), 1_024)
  assert.equal(kind.parse('1 GiB'), 2 ** 30)
  for (const text of ['1', '1kb', '1k', '2000GiB']) assert.equal(kind.parse(text), null, text)
})

test('every duration and size that is shown is read back exactly', () => {
  const duration = durationKind(0, 2 ** 40)
  const size = sizeKind(0, 2 ** 45)
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 10 ** 9 }), (value) => {
      assert.equal(duration.parse(duration.show(value)), value)
      assert.equal(size.parse(size.show(value)), value)
    }),
    { seed: SEED },
  )
})

test('lists of choices take each at most once', () => {
  const kind = choicesKind(['control', 'data'])
  assert.deepEqual(kind.parse('data,control'), ['data', 'control'])
  for (const text of ['', 'data,data', 'data,', 'gateway']) assert.equal(kind.parse(text), null, text)
})

test('switches, ids and hosts refuse what is nearly right', () => {
  assert.equal(switchKind.parse('true'), true)
  assert.equal(switchKind.parse('0'), false)
  assert.equal(switchKind.parse('yes'), null)
  assert.equal(nodeIdKind.parse('n/1'), null)
  assert.equal(hostKind.parse('127.0.0.1:6379'), null)
})

test("each option's default is a value it takes, and shows as one", () => {
  for (const name of OPTION_NAMES) {
    const { default: value, kind } = specOf(name)
    if (value === null) continue
    assert.deepEqual(kind.parse(kind.show(value)), value, name)
  }
})
