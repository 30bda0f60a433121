/**
 * Random calls of every key command: a small pool of keys so that types collide, numbers at their
 * edges, binary bytes, every option in any case and order, sometimes one argument too few or many.
 *
 * What is known to differ is left out here and stated in `known-differences.test.ts`.
 *
 * No expiry is set that could come due while the commands run: relative ones are far away, absolute
 * ones far away or long past. An expiry that comes due is a step of its own, with a pause behind it (`compare-endpoints.ts`).
 */
import assert from 'node:assert/strict'
import type { SimRandom } from '../../sim/world/random.ts'
import type { ByteString } from '../../src/base/bytes.ts'

export type Call = readonly ByteString[]
type Make = (random: SimRandom) => ByteString[]

const KEYS: readonly ByteString[] = [
  'a',
  'b',
  'c',
  'd',
  '{t}1',
  '{t}2',
  'key:1',
  'key:2',
  '',
  '\0\xff\r\n',
  'a*b',
  '[x]',
]
const FIELDS: readonly ByteString[] = ['f', 'g', 'h', '1', '', '\xfe\0', 'field-with-a-long-name']
const VALUES: readonly ByteString[] = [
  '',
  'x',
  'value',
  '0',
  '1',
  '-1',
  '10',
  '100',
  '9223372036854775807',
  '-9223372036854775808',
  '9223372036854775808',
  '01',
  '+1',
  ' 1',
  '1 ',
  '1.0',
  '3.0e3',
  '1e400',
  '0.1',
  '-0.5',
  'nan',
  'inf',
  '-inf',
  '1e-5',
  '12345678901234567890',
  '\0',
  '\xff\xfe',
  'a\r\nb',
  'v'.repeat(100),
]
const NUMBERS: readonly ByteString[] = [
  '1',
  '-1',
  '0',
  '2',
  '7',
  '1000000',
  '9223372036854775807',
  '-9223372036854775808',
  '9223372036854775808',
  '-9223372036854775809',
  'x',
  '',
  '1.5',
  '00',
  '-0',
  '+1',
]
const FLOATS: readonly ByteString[] = [
  '1',
  '-1',
  '0',
  '0.1',
  '1.5',
  '-2.25',
  '3.0e3',
  '1e-7',
  '1e17',
  '1e18',
  'nan',
  'inf',
  'x',
  '',
  ' 1',
  '1 ',
  '1e5000',
  '12345678901234567',
  '0.30000000000000004',
]
const PATTERNS: readonly ByteString[] = [
  '*',
  'a*',
  '?',
  '[ab]',
  '[^a]',
  'key:*',
  '\\[x\\]',
  'a\\*b',
  '*{t}*',
  'nosuch',
  '',
  '[a-c]',
  '*\xff*',
  '[',
  'a[',
  '\\',
]
const FAR_UNIX_SECONDS = '33000000000'
const FAR_UNIX_MILLISECONDS = '33000000000000'
const BAD_TIMES: readonly ByteString[] = ['0', '-1', 'x', '', '-9223372036854775808', '1.5']
const BAD_SECONDS: readonly ByteString[] = [...BAD_TIMES, '9223372036854775807', '9223372036854775806']
const OFFSETS: readonly ByteString[] = [
  '0',
  '1',
  '-1',
  '3',
  '-3',
  '50',
  '200',
  '-200',
  '9223372036854775807',
  '-9223372036854775808',
  'x',
  '',
  '536870912',
  '1.0',
]
const EXPIRE_OPTIONS: readonly ByteString[] = ['NX', 'XX', 'GT', 'LT', 'nx', 'gt', 'bad']

const key: (random: SimRandom) => ByteString = (random) => random.pick(KEYS)
const field: (random: SimRandom) => ByteString = (random) => random.pick(FIELDS)
const value: (random: SimRandom) => ByteString = (random) => random.pick(VALUES)

function some(random: SimRandom, most: number, make: () => readonly ByteString[]): ByteString[] {
  return Array.from({ length: random.between(1, most) }, make).flat()
}

function maybe(random: SimRandom, make: () => readonly ByteString[]): readonly ByteString[] {
  return random.chance(0.5) ? make() : []
}

// No two relative expiries may come close to each other: which of them is later (GT, LT) would
// depend on the moment at which each server ran the command.
const inSeconds = (random: SimRandom): ByteString => String(random.between(10, 10_000_000) * 100)
const inMilliseconds = (random: SimRandom): ByteString => String(random.between(10, 10_000_000) * 100_000)
const atSecond = (random: SimRandom): ByteString => random.pick(['1', FAR_UNIX_SECONDS])
const atMillisecond = (random: SimRandom): ByteString => random.pick(['1', FAR_UNIX_MILLISECONDS])

function expiryOption(random: SimRandom): ByteString[] {
  const isBad = random.chance(0.2)
  const options: readonly ByteString[][] = [
    ['EX', isBad ? random.pick(BAD_SECONDS) : inSeconds(random)],
    ['px', isBad ? random.pick(BAD_TIMES) : inMilliseconds(random)],
    ['EXAT', isBad ? random.pick(BAD_SECONDS) : atSecond(random)],
    ['PXAT', isBad ? random.pick(BAD_TIMES) : atMillisecond(random)],
  ]
  return random.pick(options)
}

function badOr(
  random: SimRandom,
  bad: readonly ByteString[],
  good: (random: SimRandom) => ByteString,
): ByteString {
  return random.chance(0.2) ? random.pick(bad) : good(random)
}

function setOptions(random: SimRandom): ByteString[] {
  const options = [
    () => expiryOption(random),
    () => ['NX'],
    () => ['xx'],
    () => ['GET'],
    () => ['KEEPTTL'],
    () => ['bad'],
    () => ['EX'],
  ]
  return random.chance(0.5) ? [] : some(random, 3, () => random.pick(options)())
}

function expire(time: (random: SimRandom) => ByteString, bad: readonly ByteString[]): Make {
  return (random) => [
    key(random),
    random.chance(0.3) ? random.pick(bad) : time(random),
    ...maybe(random, () => some(random, 2, () => [random.pick(EXPIRE_OPTIONS)])),
  ]
}

const COUNTS: readonly ByteString[] = [
  '0',
  '1',
  '-1',
  '3',
  '-5',
  '100',
  '9223372036854775807',
  '-9223372036854775808',
  'x',
  '',
]
const DATABASES: readonly ByteString[] = [
  '0',
  '0',
  '0',
  '1',
  '-1',
  'x',
  '',
  '99999999999',
  '9223372036854775808',
]
/** A hash is so small here that one call answers all of it, in some order. */
const HSCAN_OPTIONS: readonly (readonly ByteString[])[] = [
  ['COUNT', '100'],
  ['match', '*'],
  ['MATCH', 'f*', 'count', '50'],
  ['COUNT', '0'],
  ['COUNT', 'x'],
  ['COUNT'],
  ['TYPE', 'hash'],
  ['bad', '1'],
]

function sortOptions(random: SimRandom): readonly ByteString[] {
  return maybe(random, () =>
    some(random, 3, () =>
      random.pick([
        ['ASC'],
        ['desc'],
        ['ALPHA'],
        ['LIMIT', '0', random.pick(['1', 'x'])],
        ['BY', 'nosort'],
        ['GET', '#'],
        ['STORE', key(random)],
        ['bad'],
      ]),
    ),
  )
}

/** Made by redis-server: numbers, texts, compressed ones, a listpack, a table of pairs; then damaged ones. */
const DUMPS: readonly ByteString[] = [
  '00c0010a002678e7b6d10111fc',
  '00c17fff0a001760822854808480',
  '00c2ffffff7f0a002c74e59ee02eada1',
  '00036162630a00d9ac303d4172a2e2',
  '00c30928016161e01b000161610a00cf092faaae25831d',
  '00c31541da017878e0090002616263e0ff02e1ae07037461696c0a007c27381eacf00a12',
  '10c34064409d1f9d0000001600816602817602816e020c01816d02c12c02836e656704dffd02811f650280018369323404f200ee85048369333204f3ffffff7f058369363404f401203e20001180098369313304d00002846c6f6e6705bf79e0350006407f01c08002ff0a00971287314ba3ed59',
  '040c03693332c2ffffff7f03693234c200ee85ffc07fc18000016500016dc12c01036e6567c0fd03693133c100f00166017603693634142d39323233333732303336383534373735383037046c6f6e67c3093f017979e03200017979016ec00c03626967c3094064017a7ae05700017a7a0a009da9c2e60115abaa',
  '',
  '00036162630a00d9ac303d4172a200',
  '00036162630a00d9ac30',
].map((hex) => Buffer.from(hex, 'hex').toString('latin1'))
const RESTORE_OPTIONS: readonly (readonly ByteString[])[] = [
  ['REPLACE'],
  ['replace'],
  ['ABSTTL'],
  ['IDLETIME', '5'],
  ['idletime', '-1'],
  ['FREQ', '5'],
  ['freq', '256'],
  ['FREQ', 'x'],
  ['IDLETIME'],
  ['bad'],
]

const twoKeys: Make = (random) => [key(random), key(random)]
const oneKey: Make = (random) => [key(random)]
const manyKeys: Make = (random) => some(random, 4, () => [key(random)])
const keyAndField: Make = (random) => [key(random), field(random)]
const keyAndFields: Make = (random) => [key(random), ...some(random, 4, () => [field(random)])]
const keyAndPairs: Make = (random) => [key(random), ...some(random, 4, () => [field(random), value(random)])]

/** Arguments behind the name, for each command of the key machine that answers the same on every server. */
export const GENERATORS: Readonly<Record<string, Make>> = {
  append: (random) => [key(random), value(random)],
  copy: (random) => [
    key(random),
    key(random),
    ...maybe(random, () =>
      some(random, 2, () => random.pick([['REPLACE'], ['db', '0'], ['DB', 'x'], ['bad'], ['DB', '1']])),
    ),
  ],
  decr: oneKey,
  decrby: (random) => [key(random), random.pick(NUMBERS)],
  del: manyKeys,
  dump: oneKey,
  exists: manyKeys,
  expire: expire(inSeconds, BAD_SECONDS),
  expireat: expire(atSecond, BAD_SECONDS),
  expiretime: oneKey,
  flushall: (random) => [...maybe(random, () => [random.pick(['ASYNC', 'sync', 'bad'])])],
  flushdb: (random) => [...maybe(random, () => [random.pick(['ASYNC', 'sync', 'bad'])])],
  get: oneKey,
  getdel: oneKey,
  getex: (random) => [
    key(random),
    ...maybe(random, () => random.pick([expiryOption(random), ['PERSIST'], ['bad'], ['EX']])),
  ],
  getrange: (random) => [key(random), random.pick(OFFSETS), random.pick(OFFSETS)],
  getset: (random) => [key(random), value(random)],
  hdel: keyAndFields,
  hexists: keyAndField,
  hget: keyAndField,
  hgetall: oneKey,
  hincrby: (random) => [key(random), field(random), random.pick(NUMBERS)],
  hincrbyfloat: (random) => [key(random), field(random), random.pick(FLOATS)],
  hkeys: oneKey,
  hlen: oneKey,
  hmget: keyAndFields,
  hmset: keyAndPairs,
  hset: keyAndPairs,
  hrandfield: (random) => [
    key(random),
    ...maybe(random, () => [
      random.pick(COUNTS),
      ...maybe(random, () => [random.pick(['WITHVALUES', 'bad'])]),
    ]),
  ],
  hscan: (random) => [key(random), '0', 'COUNT', '100', ...maybe(random, () => random.pick(HSCAN_OPTIONS))],
  hsetnx: (random) => [key(random), field(random), value(random)],
  hstrlen: keyAndField,
  hvals: oneKey,
  incr: oneKey,
  incrby: (random) => [key(random), random.pick(NUMBERS)],
  incrbyfloat: (random) => [key(random), random.pick(FLOATS)],
  keys: (random) => [random.pick(PATTERNS)],
  lcs: (random) => [
    key(random),
    key(random),
    ...maybe(random, () =>
      some(random, 3, () =>
        random.pick([
          ['LEN'],
          ['idx'],
          ['IDX'],
          ['WITHMATCHLEN'],
          ['minmatchlen', random.pick(NUMBERS)],
          ['bad'],
        ]),
      ),
    ),
  ],
  'memory|usage': (random) => [
    key(random),
    ...maybe(random, () => ['samples', random.pick(['0', '3', '-1', 'x'])]),
  ],
  mget: manyKeys,
  mset: (random) => some(random, 4, () => [key(random), value(random)]),
  msetnx: (random) => some(random, 3, () => [key(random), value(random)]),
  move: (random) => [key(random), random.pick(DATABASES)],
  'object|encoding': oneKey,
  'object|freq': oneKey,
  'object|idletime': oneKey,
  'object|refcount': oneKey,
  persist: oneKey,
  pexpire: expire(inMilliseconds, BAD_TIMES),
  pexpireat: expire(atMillisecond, BAD_TIMES),
  pexpiretime: oneKey,
  psetex: (random) => [key(random), badOr(random, BAD_TIMES, inMilliseconds), value(random)],
  pttl: oneKey,
  set: (random) => [key(random), value(random), ...setOptions(random)],
  randomkey: () => [],
  rename: twoKeys,
  renamenx: twoKeys,
  restore: (random) => [
    key(random),
    random.pick(['0', '0', inMilliseconds(random), '-1', 'x']),
    random.pick(DUMPS),
    ...maybe(random, () => some(random, 2, () => random.pick(RESTORE_OPTIONS))),
  ],
  setex: (random) => [key(random), badOr(random, BAD_SECONDS, inSeconds), value(random)],
  setnx: (random) => [key(random), value(random)],
  setrange: (random) => [key(random), random.pick(OFFSETS), value(random)],
  sort: (random) => [key(random), ...sortOptions(random)],
  sort_ro: (random) => [key(random), ...sortOptions(random)],
  strlen: oneKey,
  substr: (random) => [key(random), random.pick(OFFSETS), random.pick(OFFSETS)],
  swapdb: (random) => [random.pick(DATABASES), random.pick(DATABASES)],
  touch: manyKeys,
  ttl: oneKey,
  type: oneKey,
  unlink: manyKeys,
}

/** Drawn more often, so that there is something to read. */
const WRITERS: readonly string[] = [
  'set',
  'set',
  'hset',
  'mset',
  'append',
  'incr',
  'expire',
  'copy',
  'rename',
]
const RARE: ReadonlySet<string> = new Set(['flushall', 'flushdb'])
const NAMES = Object.keys(GENERATORS).filter((name) => !RARE.has(name))

export function randomCall(random: SimRandom): Call {
  const name = random.chance(0.01)
    ? random.pick([...RARE])
    : random.chance(0.35)
      ? random.pick(WRITERS)
      : random.pick(NAMES)
  const make = GENERATORS[name]
  assert(make !== undefined)
  const args = make(random)
  const mistake = random.below(25)
  if (mistake === 0) args.pop()
  else if (mistake === 1) args.push(value(random))
  return [...(random.chance(0.1) ? name.toUpperCase() : name).split('|'), ...args]
}

/** Options of SCAN, mostly good ones. */
export function randomScanOptions(random: SimRandom): ByteString[] {
  const options: readonly ByteString[][] = [
    ['MATCH', random.pick(PATTERNS)],
    ['count', random.pick(['1', '3', '100'])],
    ['TYPE', random.pick(['string', 'HASH', 'zset'])],
    random.pick([['COUNT', '0'], ['COUNT', 'x'], ['bad'], ['MATCH'], ['TYPE', 'nosuch']]),
  ]
  return random.chance(0.3) ? [] : some(random, 2, () => random.pick(options))
}

export function randomKey(random: SimRandom): ByteString {
  return key(random)
}

export const ALL_KEYS: readonly ByteString[] = KEYS

/** What a transaction queues: sometimes a command of the connection, or one that is wrong. */
export function randomTransactionCall(random: SimRandom): Call {
  const others: readonly Call[] = [
    ['ping'],
    ['echo', 'x'],
    ['select', '0'],
    ['nosuch', 'a'],
    ['multi'],
    ['watch', 'a'],
    ['unwatch'],
    ['client', 'getname'],
    ['client', 'setname', 'n'],
    ['get'],
  ]
  return random.chance(0.08) ? random.pick(others) : randomCall(random)
}
