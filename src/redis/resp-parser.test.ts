import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { describe, test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { encodeRequest } from '../../test/differential/resp-request.ts'
import { makeKnownNames } from './known-names.ts'
import {
  createRespParser,
  MAX_ARGUMENTS,
  MAX_BULK_BYTES,
  MAX_LINE_BYTES,
  MAX_REQUEST_BYTES_RESTRICTED,
} from './resp-parser.ts'

type Parsed = { readonly requests: string[][]; readonly failure: string | null }
type Setup = { readonly restricted?: boolean; readonly maxBulkBytes?: number }

function parse(chunks: readonly string[], setup: Setup = {}): Parsed {
  const parser = createRespParser({ maxBulkBytes: setup.maxBulkBytes ?? MAX_BULK_BYTES })
  parser.isRestricted = setup.restricted ?? false
  const requests: string[][] = []
  for (const chunk of chunks) {
    parser.append(Buffer.from(chunk, 'latin1'))
    for (let request = parser.next(); request !== null; request = parser.next()) requests.push(request)
  }
  return { requests, failure: parser.failure }
}

/** Whole, byte by byte, and cut in two at every place: all must agree. */
function parseEveryWay(bytes: string, setup: Setup = {}): Parsed {
  const whole = parse([bytes], setup)
  assert.deepEqual(parse(bytes.split(''), setup), whole, 'byte by byte')
  if (bytes.length <= 300) {
    for (let cut = 1; cut < bytes.length; cut++) {
      assert.deepEqual(parse([bytes.slice(0, cut), bytes.slice(cut)], setup), whole, `cut at ${cut}`)
    }
  }
  return whole
}

const GOOD: readonly (readonly [name: string, bytes: string, requests: string[][]])[] = [
  ['one request', '*2\r\n$3\r\nGET\r\n$1\r\na\r\n', [['GET', 'a']]],
  ['an empty argument', '*2\r\n$4\r\nECHO\r\n$0\r\n\r\n', [['ECHO', '']]],
  ['binary arguments', '*1\r\n$5\r\n\r\n\0\xff$\r\n', [['\r\n\0\xff$']]],
  ['a pipeline', '*1\r\n$4\r\nPING\r\nPING\r\n*1\r\n$1\r\nx\r\n', [['PING'], ['PING'], ['x']]],
  ['no requests', '*0\r\n*-1\r\n\r\n\n   \r\n*-9223372036854775808\r\n', []],
  ['requests behind none', '*0\r\n*-1\r\n\r\nPING\r\n*0\r\n', [['PING']]],
  ['bytes behind a bulk that nobody checks', '*1\r\n$4\r\nPINGxx*1\r\n$1\r\na\r\n', [['PING'], ['a']]],
  ['a header that ends with CR and any byte', '*1\rx$4\rxPING\r\n', [['PING']]],
  ['a line without CR', 'PING\nPING a\n', [['PING'], ['PING', 'a']]],
  ['CR inside a line', 'PING\r x\r\n', [['PING', 'x']]],
  ['white space', '  PING \t a  \r\n', [['PING', 'a']]],
  ['vertical tab and form feed inside a word', 'PING\vabc\fd\r\n', [['PING\vabc\fd']]],
  [
    'double quotes',
    '"PING" "a b" "" "\\x41\\n\\"\\a\\b\\t\\r\\q"\r\n',
    [['PING', 'a b', '', 'A\n"\x07\b\t\rq']],
  ],
  ['escapes that are none', 'PING "\\xzz" "\\x4"\r\n', [['PING', 'xzz', 'x4']]],
  ['single quotes', "PING 'a\\'b\\n' '' \r\n", [['PING', "a'b\\n", '']]],
  ['quotes that begin inside a word', 'PING a"b c"\td\r\n', [['PING', 'ab c', 'd']]],
  ['NUL in a line', 'PING \0a\r\n', [['PING', '\0a']]],
  ['RESP types that are words here', '$4\r\n+PING\r\n', [['$4'], ['+PING']]],
]

const BAD: readonly (readonly [bytes: string, what: string, setup?: Setup])[] = [
  ['*abc\r\n', 'invalid multibulk length'],
  ['*\r\n', 'invalid multibulk length'],
  ['*+1\r\n', 'invalid multibulk length'],
  ['*01\r\n', 'invalid multibulk length'],
  ['*-0\r\n', 'invalid multibulk length'],
  ['* 1\r\n', 'invalid multibulk length'],
  ['*1 \r\n', 'invalid multibulk length'],
  ['*99999999999999999999\r\n', 'invalid multibulk length'],
  ['*9223372036854775808\r\n', 'invalid multibulk length'],
  [`*${MAX_ARGUMENTS + 1}\r\n`, 'invalid multibulk length'],
  ['*1\r\nfoo\r\n', "expected '$', got 'f'"],
  ['*1\r\n:5\r\n', "expected '$', got ':'"],
  ['*1\r\n\r\n', "expected '$', got '\r'"],
  ['*1\r\n\xff\r\n', "expected '$', got '\xff'"],
  ['*1\r\n$-1\r\n', 'invalid bulk length'],
  ['*1\r\n$\r\n', 'invalid bulk length'],
  ['*1\r\n$04\r\n', 'invalid bulk length'],
  ['*1\r\n$+4\r\n', 'invalid bulk length'],
  [`*1\r\n$${MAX_BULK_BYTES + 1}\r\n`, 'invalid bulk length'],
  ['*1\r\n$11\r\n', 'invalid bulk length', { maxBulkBytes: 10 }],
  ['PING "a\r\n', 'unbalanced quotes in request'],
  ['PING "a"b\r\n', 'unbalanced quotes in request'],
  ["PING 'a\r\n", 'unbalanced quotes in request'],
  ['PING a"b\r\n', 'unbalanced quotes in request'],
  ['*11\r\n', 'unauthenticated multibulk length', { restricted: true }],
  ['*1\r\n$16385\r\n', 'unauthenticated bulk length', { restricted: true }],
  ['*1\r\n$99999999999\r\n', 'invalid bulk length', { restricted: true }],
]

describe('RESP parser', () => {
  for (const [name, bytes, requests] of GOOD) {
    test(`reads ${name}`, () => assert.deepEqual(parseEveryWay(bytes), { requests, failure: null }))
  }

  for (const [bytes, what, setup] of BAD) {
    const title = JSON.stringify(bytes.slice(0, 40))
    test(`refuses ${title}: ${JSON.stringify(what)}`, () => {
      const expected = { requests: [['PING']], failure: `ERR Protocol error: ${what}` }
      assert.deepEqual(parseEveryWay(`PING\r\n${bytes}PING\r\n`, setup), expected)
    })
  }

  test('accepts what just fits the limits', () => {
    const ten = encodeRequest(new Array(10).fill('a'))
    assert.equal(parseEveryWay(ten, { restricted: true }).requests.length, 1)
    const bulk = encodeRequest(['b'.repeat(16_384)])
    assert.equal(parse([bulk], { restricted: true }).requests.length, 1)
    assert.equal(parse([encodeRequest(['b'.repeat(10)])], { maxBulkBytes: 10 }).requests.length, 1)
    assert.equal(parse([`*${MAX_ARGUMENTS}\r\n`]).failure, null)
  })

  test('a client that must authenticate never makes us hold more than 64 KiB', () => {
    const parser = createRespParser({ maxBulkBytes: MAX_BULK_BYTES })
    parser.isRestricted = true
    parser.append(Buffer.from('*10\r\n'))
    let heldMax = 0
    for (let index = 0; index < 10 && parser.failure === null; index++) {
      parser.append(Buffer.from(`$16384\r\n${'x'.repeat(16_384)}\r\n`))
      assert.equal(parser.next(), null)
      heldMax = Math.max(heldMax, parser.heldBytes)
    }
    assert.equal(parser.failure, 'ERR Protocol error: unauthenticated bulk length')
    assert.equal(heldMax, MAX_REQUEST_BYTES_RESTRICTED)
    assert.equal(parser.heldBytes, 0)
  })

  for (const [prefix, what] of [
    ['', 'too big inline request'],
    ['*', 'too big mbulk count string'],
    ['*1\r\n$', 'too big bulk count string'],
    ['*1\r\n', 'too big bulk count string'],
  ] as const) {
    test(`limits the line behind ${JSON.stringify(prefix)}, however it is cut`, () => {
      const typeBytes = prefix.endsWith('*') || prefix.endsWith('$') ? 1 : 0
      const longest = '1'.repeat(MAX_LINE_BYTES - typeBytes)
      const failure = `ERR Protocol error: ${what}`
      for (const cutAt of [1, 1000, 65_000, 100_000]) {
        const cut = (bytes: string): string[] => [bytes.slice(0, cutAt), bytes.slice(cutAt)]
        assert.equal(parse(cut(`${prefix}${longest}`)).failure, null)
        assert.equal(parse(cut(`${prefix}${longest}1`)).failure, failure)
        assert.equal(parse(cut(`${prefix}${longest}1\r\n`)).failure, failure)
      }
      assert.equal(parse(`${prefix}${longest}1`.split('')).failure, failure)
    })
  }

  test('a declared length costs nothing until the bytes come', () => {
    const parser = createRespParser({ maxBulkBytes: 2 ** 30 })
    const before = process.memoryUsage().arrayBuffers
    parser.append(Buffer.from('*2\r\n$3\r\nSET\r\n$134217728\r\nabc'))
    assert.equal(parser.next(), null)
    assert.equal(parser.heldBytes, 6)
    assert.ok(process.memoryUsage().arrayBuffers - before < 1024 * 1024)
  })

  test('a bulk of 64 MB in 64 KB chunks arrives whole, in linear time', () => {
    const parser = createRespParser()
    const chunk = Buffer.alloc(65_536)
    for (let index = 0; index < chunk.length; index++) chunk[index] = (index * 31) & 0xff
    parser.append(Buffer.from(`*1\r\n$${MAX_BULK_BYTES}\r\n`))
    for (let sent = 0; sent < MAX_BULK_BYTES; sent += chunk.length) {
      assert.equal(parser.next(), null)
      parser.append(chunk)
    }
    parser.append(Buffer.from('\r\n'))
    const value = parser.next()?.[0] ?? ''
    assert.equal(value.length, MAX_BULK_BYTES)
    const expected = chunk.latin1Slice()
    for (const at of [0, 65_536, MAX_BULK_BYTES - 65_536]) {
      assert.equal(value.slice(at, at + 65_536), expected)
    }
    assert.equal(parser.heldBytes, 0)
  })

  test('the limits may change between requests of one chunk', () => {
    const parser = createRespParser()
    parser.isRestricted = true
    const words = new Array(20).fill('x')
    parser.append(Buffer.from(`${encodeRequest(['auth', 'p'])}${encodeRequest(words)}`))
    assert.deepEqual(parser.next(), ['auth', 'p'])
    parser.isRestricted = false
    assert.deepEqual(parser.next(), words)
  })

  test('a broken stream stays broken', () => {
    const parser = createRespParser()
    parser.append(Buffer.from('*x\r\n'))
    assert.equal(parser.next(), null)
    parser.append(Buffer.from('PING\r\n'))
    assert.equal(parser.next(), null)
    assert.equal(parser.failure, 'ERR Protocol error: invalid multibulk length')
  })
})

describe('RESP parser, properties', () => {
  const bytes = fc.string({ unit: fc.nat(255).map((code) => String.fromCharCode(code)), maxLength: 40 })

  test('random pipelines, cut anywhere, parse to what was sent', () => {
    const pipelines = fc.array(fc.array(bytes, { minLength: 1, maxLength: 6 }), { maxLength: 8 })
    const cuts = fc.array(fc.nat(600), { maxLength: 12 })
    fc.assert(
      fc.property(pipelines, cuts, (requests, places) => {
        const stream = requests.map(encodeRequest).join('')
        const ends = [...places, stream.length].filter((at) => at <= stream.length).sort((a, b) => a - b)
        const chunks = ends.map((end, index) => stream.slice(ends[index - 1] ?? 0, end))
        assert.deepEqual(parse(chunks), { requests, failure: null })
      }),
      { seed: 20_260_701, numRuns: 500 },
    )
  })

  test('random bytes never crash it, and how they are cut never matters', () => {
    const token = fc.oneof(
      { weight: 3, arbitrary: bytes },
      fc.constantFrom(
        '*',
        '$',
        '\r\n',
        '\r',
        '\n',
        '*1\r\n',
        '*2\r\n$1\r\n',
        '$3\r\n',
        '"',
        "'",
        '\\x',
        '-1',
        '0',
      ),
    )
    fc.assert(
      fc.property(fc.array(token, { maxLength: 12 }), fc.boolean(), (tokens, restricted) => {
        parseEveryWay(tokens.join('').slice(0, 120), { restricted })
      }),
      { seed: 20_260_702, numRuns: 1000 },
    )
  })

  test('knowing names changes nothing but the cost', () => {
    const names = ['get', 'set', 'a', 'ping', 'longer']
    const knownNames = makeKnownNames(names)
    assert.equal(knownNames.size, 8)
    const word = fc.oneof(
      bytes,
      fc.constantFrom('get', 'GET', 'Get', '\0get', 'ge\xf4', '\0', 'a', 'A', 'PING', 'LONGER', ''),
    )
    fc.assert(
      fc.property(word, word, (name, arg) => {
        const parser = createRespParser({ maxBulkBytes: MAX_BULK_BYTES }, knownNames)
        parser.append(Buffer.from(encodeRequest([name, arg]), 'latin1'))
        assert.deepEqual(parser.next(), [name, arg])
      }),
      { seed: 20_260_705, numRuns: 500 },
    )
  })
})

test('what dribbles in byte by byte takes little more memory than it has bytes', () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const sent = Buffer.from(`*2\r\n$16384\r\n${'x'.repeat(16_383)}`)
  const parsers = Array.from({ length: 10 }, () => createRespParser({ maxBulkBytes: MAX_BULK_BYTES }))
  const bytes = Array.from({ length: 256 }, (_, byte) => Buffer.from([byte]))
  collect()
  const before = process.memoryUsage().heapUsed
  for (const parser of parsers) {
    parser.isRestricted = true
    for (const byte of sent) {
      parser.append(bytes[byte] as Buffer)
      assert.equal(parser.next(), null)
    }
  }
  collect()
  const grown = process.memoryUsage().heapUsed - before
  const held = parsers.reduce((sum, parser) => sum + parser.heldBytes, 0)
  assert.ok(held > 16_000 * parsers.length)
  assert.ok(grown < held * 3, `${grown} bytes of memory hold ${held}`)
})
