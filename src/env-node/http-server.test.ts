import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request as send } from 'node:http'
import { connect } from 'node:net'
import { type TestContext, test } from 'node:test'
import type { HttpHandler, HttpListener, HttpRequest } from '../env/http.ts'
import type { Logger } from '../env/logger.ts'
import { NetworkFault } from '../env/network.ts'
import { HTTP_LIMITS, type HttpLimits, listenHttp } from './http-server.ts'

const LIMITS: HttpLimits = { ...HTTP_LIMITS, bodyBytesMax: 100, handlerTimeoutMs: 100, closeGraceMs: 50 }
const ANY = { host: '127.0.0.1', port: 0 }

type Answer = { readonly status: number; readonly headers: Record<string, unknown>; readonly body: string }
type Asked = {
  readonly path: string
  readonly method?: string
  readonly body?: string
  readonly headers?: Record<string, string>
}

function recordingLogger(): { readonly logger: Logger; readonly errors: string[] } {
  const errors: string[] = []
  const ignore = (): void => undefined
  const logger: Logger = {
    debug: ignore,
    info: ignore,
    warning: ignore,
    error: (message) => void errors.push(message),
    with: () => logger,
  }
  return { logger, errors }
}

async function listen(
  t: TestContext,
  handler: HttpHandler,
  limits = LIMITS,
): Promise<{ readonly listener: HttpListener; readonly errors: string[] }> {
  const { logger, errors } = recordingLogger()
  const listener = await listenHttp(ANY, handler, logger, limits)
  t.after(() => listener.close())
  return { listener, errors }
}

async function ask({ address }: HttpListener, asked: Asked): Promise<Answer> {
  const { path, method = 'GET', body = '', headers = {} } = asked
  const outgoing = send({ host: address.host, port: address.port, path, method, headers })
  outgoing.end(body)
  const [incoming] = await once(outgoing, 'response')
  let text = ''
  for await (const chunk of incoming) text += String(chunk)
  return { status: incoming.statusCode, headers: incoming.headers, body: text }
}

/** Everything the other side sends until it closes. */
async function sendRaw({ address }: HttpListener, bytes: string): Promise<string> {
  const socket = connect(address.port, address.host)
  socket.end(bytes)
  let text = ''
  for await (const chunk of socket) text += String(chunk)
  return text
}

const ok: HttpHandler = async () => ({ status: 200, headers: {}, body: 'ok' })

test('a request arrives decoded and whole', async (t) => {
  let seen: HttpRequest | undefined
  const { listener } = await listen(t, async (request) => {
    seen = request
    return { status: 201, headers: { 'x-a': 'b' }, body: new Uint8Array([104, 105]) }
  })
  assert.ok(listener.address.port > 0)
  const headers = { 'X-Upper': 'Case' }
  const answer = await ask(listener, { path: '/a%20b?c=1&c=2&d=%2F', method: 'POST', body: 'body', headers })
  assert.deepEqual([answer.status, answer.body, answer.headers['x-a']], [201, 'hi', 'b'])
  assert.equal(answer.headers['content-length'], '2')
  assert.ok(seen)
  assert.deepEqual([seen.method, seen.path, seen.headers.get('x-upper')], ['POST', '/a b', 'Case'])
  assert.deepEqual(
    [...seen.query],
    [
      ['c', '2'],
      ['d', '/'],
    ],
  )
  assert.equal(Buffer.from(seen.body).toString(), 'body')
})

test('HEAD answers without a body, and with its length', async (t) => {
  const { listener } = await listen(t, ok)
  const answer = await ask(listener, { path: '/', method: 'HEAD' })
  assert.deepEqual([answer.status, answer.body, answer.headers['content-length']], [200, '', '2'])
})

test('a body above the limit is refused, announced or not', async (t) => {
  let calls = 0
  const { listener } = await listen(t, async (request) => {
    calls++
    return ok(request)
  })
  const body = 'x'.repeat(101)
  const announced = await ask(listener, {
    path: '/',
    method: 'POST',
    body,
    headers: { 'content-length': '101' },
  })
  assert.equal(announced.status, 413)
  const chunked = await ask(listener, {
    path: '/',
    method: 'POST',
    body,
    headers: { 'transfer-encoding': 'chunked' },
  })
  assert.equal(chunked.status, 413)
  assert.equal(calls, 0)
  const fits = await ask(listener, { path: '/', method: 'POST', body: 'x'.repeat(100) })
  assert.equal(fits.status, 200)
})

test('a handler that fails answers 500 and is logged; its error is not shown', async (t) => {
  const { listener, errors } = await listen(t, () => Promise.reject(new Error('inner secret')))
  const answer = await ask(listener, { path: '/' })
  assert.equal(answer.status, 500)
  assert.ok(!answer.body.includes('inner secret'))
  assert.deepEqual(errors, ['an HTTP request failed'])
})

test('a handler that does not answer in time is given up', async (t) => {
  const { listener } = await listen(t, () => new Promise(() => undefined))
  assert.equal((await ask(listener, { path: '/' })).status, 504)
})

test('what is no HTTP gets an answer and a closed connection', async (t) => {
  const { listener } = await listen(t, ok)
  assert.match(await sendRaw(listener, 'no http at all\r\n\r\n'), /^HTTP\/1\.1 400 /)
  const header = `x-long: ${'y'.repeat(20_000)}`
  assert.match(await sendRaw(listener, `GET / HTTP/1.1\r\nhost: a\r\n${header}\r\n\r\n`), /^HTTP\/1\.1 431 /)
  assert.match(
    await sendRaw(listener, 'GET /%zz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n'),
    /^HTTP\/1\.1 400 /,
  )
  assert.equal((await ask(listener, { path: '/' })).status, 200)
})

test('a client that dies in the middle of its request is not an error of ours', async (t) => {
  const { listener, errors } = await listen(t, ok)
  const socket = connect(listener.address.port, listener.address.host)
  await once(socket, 'connect')
  socket.write('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 50\r\n\r\nhalf')
  await new Promise((resolve) => setTimeout(resolve, 20))
  socket.destroy()
  assert.equal((await ask(listener, { path: '/' })).status, 200)
  assert.deepEqual(errors, [])
})

test('a port that is taken is reported as the fault of the network layer', async (t) => {
  const { listener } = await listen(t, ok)
  const { logger } = recordingLogger()
  await assert.rejects(listenHttp(listener.address, ok, logger), (error) => {
    assert.ok(error instanceof NetworkFault)
    assert.equal(error.errno, 'EADDRINUSE')
    assert.match(error.message, new RegExp(`listen on 127\\.0\\.0\\.1:${listener.address.port}`))
    return true
  })
})

test('close ends idle connections at once and stuck ones after the grace', async (t) => {
  const { listener } = await listen(t, () => new Promise(() => undefined), {
    ...LIMITS,
    handlerTimeoutMs: 60_000,
  })
  const socket = connect(listener.address.port, listener.address.host)
  await once(socket, 'connect')
  socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
  socket.on('error', () => undefined)
  const closed = once(socket, 'close')
  await new Promise((resolve) => setTimeout(resolve, 20))
  await listener.close()
  await closed
  await assert.rejects(ask(listener, { path: '/' }), /ECONNREFUSED/)
})
