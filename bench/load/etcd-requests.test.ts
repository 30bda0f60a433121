/** The hand-written HTTP/2 client, against a server that knows HTTP/2. */
import assert from 'node:assert/strict'
import { createServer, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2'
import { describe, it, type TestContext } from 'node:test'
import { keysInTurn } from '../../src/cli/bench/requests.ts'
import { type LoadOutcome, startLoad } from '../../src/cli/bench/run-load.ts'
import { createEtcdRequests } from './etcd-requests.ts'

type Seen = { readonly headers: IncomingHttpHeaders; readonly body: Buffer }
type Answer = (stream: ServerHttp2Stream, seen: Seen) => void

const VALUE_BYTES = 128

async function serve(t: TestContext, answer: Answer): Promise<{ port: number; seen: Seen[] }> {
  const seen: Seen[] = []
  const server = createServer()
  server.on('session', (session) => {
    session.on('error', () => undefined)
    session.ping(Buffer.from('12345678'), (error) => assert.equal(error, null))
  })
  server.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    const chunks: Buffer[] = []
    stream.on('error', () => undefined)
    stream.on('data', (chunk: Buffer) => chunks.push(chunk))
    stream.on('end', () => {
      const request = { headers, body: Buffer.concat(chunks) }
      seen.push(request)
      answer(stream, request)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  const address = server.address()
  assert(address !== null && typeof address === 'object')
  return { port: address.port, seen }
}

function run(port: number, operation: 'put' | 'range', requests: number): Promise<LoadOutcome> {
  const keys = keysInTurn(1_000)
  return startLoad({
    host: '127.0.0.1',
    port,
    clients: 2,
    pipeline: 4,
    extent: { requests },
    makeRequests: (seed) =>
      createEtcdRequests({
        operation,
        authority: `127.0.0.1:${port}`,
        pipeline: 4,
        valueBytes: VALUE_BYTES,
        keys,
        seed,
      }),
  }).finished
}

function answerWith(bytes: number): Answer {
  return (stream) => {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
    stream.end(Buffer.alloc(bytes))
  }
}

describe('requests to etcd', () => {
  it('are what a gRPC server expects, each with a key of its own, and all are counted', async (t) => {
    const { port, seen } = await serve(t, answerWith(30))
    const outcome = await run(port, 'put', 22)
    assert.deepEqual([outcome.requests, outcome.errors, outcome.latency.count], [22, 0, 22])
    const counted = seen.filter(({ body }) => body.length > 0)
    // Each of the two connections begins with one that is not counted.
    assert.equal(counted.length, 24)
    const keys = new Set<string>()
    for (const { headers, body } of counted) {
      assert.equal(headers[':path'], '/etcdserverpb.KV/Put')
      assert.equal(headers['content-type'], 'application/grpc')
      assert.equal(headers.te, 'trailers')
      assert.equal(headers[':authority'], `127.0.0.1:${port}`)
      assert.equal(body.readUInt32BE(1), body.length - 5)
      assert.deepEqual([...body.subarray(5, 7)], [0x0a, 22])
      assert.deepEqual([...body.subarray(29, 32)], [0x12, 0x80, 0x01])
      assert.equal(body.length, 32 + VALUE_BYTES)
      keys.add(body.toString('latin1', 7, 29))
    }
    assert.deepEqual(
      [...keys].sort(),
      Array.from({ length: 22 }, (_, at) => `bench:key:${String(at).padStart(12, '0')}`),
    )
  })

  it('count a short answer of a get as an absent value', async (t) => {
    const { port, seen } = await serve(t, (stream, request) =>
      answerWith(request.body.toString('latin1').includes('00003') ? 20 : 200)(stream, request),
    )
    const outcome = await run(port, 'range', 8)
    assert.deepEqual([outcome.requests, outcome.errors, outcome.absent], [8, 0, 1])
    assert.equal(seen[0]?.headers[':path'], '/etcdserverpb.KV/Range')
  })

  it('count trailers without a message, and streams that are reset, as errors', async (t) => {
    const refusing = await serve(t, (stream) =>
      stream.respond({ ':status': 200, 'grpc-status': '14' }, { endStream: true }),
    )
    assert.equal((await run(refusing.port, 'put', 8)).errors, 8)
    const resetting = await serve(t, (stream) => stream.close(8))
    const outcome = await run(resetting.port, 'put', 8)
    assert.deepEqual([outcome.errors, outcome.firstError], [8, 'etcd reset a stream'])
  })
})
