/**
 * The HTTP port. Owns sockets and limits, so that a handler sees only whole requests of bounded
 * size and no client can hold the process: slow senders, large bodies, too many connections and
 * handlers that never answer all end here, each with its own status.
 */
import assert from 'node:assert/strict'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import {
  type HttpHandler,
  type HttpListener,
  type HttpRequest,
  type HttpResponse,
  problemResponse,
} from '../env/http.ts'
import type { Logger } from '../env/logger.ts'
import { type Address, NetworkFault } from '../env/network.ts'

export type HttpLimits = {
  readonly bodyBytesMax: number
  readonly connectionsMax: number
  readonly headersTimeoutMs: number
  /** From the first byte of a request to its last. */
  readonly requestTimeoutMs: number
  readonly handlerTimeoutMs: number
  readonly closeGraceMs: number
}

export const HTTP_LIMITS: HttpLimits = {
  bodyBytesMax: 1_048_576,
  connectionsMax: 1_024,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 30_000,
  handlerTimeoutMs: 30_000,
  closeGraceMs: 1_000,
}

const HEADER_BYTES_MAX = 16_384
const KEEP_ALIVE_TIMEOUT_MS = 30_000

/** Rejects with `NetworkFault` when the address can't be bound. */
export async function listenHttp(
  address: Address,
  handler: HttpHandler,
  logger: Logger,
  limits: HttpLimits = HTTP_LIMITS,
): Promise<HttpListener> {
  const server = createServer(
    {
      maxHeaderSize: HEADER_BYTES_MAX,
      headersTimeout: limits.headersTimeoutMs,
      requestTimeout: limits.requestTimeoutMs,
      keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
      connectionsCheckingInterval: Math.min(1_000, limits.headersTimeoutMs),
    },
    (request, response) => void answer(request, response, handler, logger, limits),
  )
  server.maxConnections = limits.connectionsMax
  server.on('clientError', refuseMalformed)
  await bind(server, address)
  server.on('error', (error) => logger.error('the HTTP listener failed', { error: String(error) }))
  const bound = server.address() as AddressInfo
  assert(bound.port > 0)
  return {
    address: { host: address.host, port: bound.port },
    close: () => close(server, limits.closeGraceMs),
  }
}

function bind(server: Server, { host, port }: Address): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (error: NodeJS.ErrnoException): void =>
      reject(new NetworkFault(`listen on ${host}:${port}`, error.code ?? 'EUNKNOWN', error))
    server.once('error', onError)
    server.listen({ host, port }, () => {
      server.off('error', onError)
      resolve()
    })
  })
}

function close(server: Server, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => server.closeAllConnections(), graceMs)
    server.close(() => {
      clearTimeout(timer)
      resolve()
    })
    server.closeIdleConnections()
  })
}

/** Bytes that are no HTTP get an HTTP answer, as far as one can be given. */
function refuseMalformed(error: NodeJS.ErrnoException, socket: Socket): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy()
    return
  }
  const status =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? '431 Request Header Fields Too Large'
      : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? '408 Request Timeout'
        : '400 Bad Request'
  socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`)
}

async function answer(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  handler: HttpHandler,
  logger: Logger,
  limits: HttpLimits,
): Promise<void> {
  let response: HttpResponse | null
  try {
    const request = await readRequest(incoming, limits.bodyBytesMax)
    response = isResponse(request)
      ? request
      : await untilGone(outgoing, handler(request), limits.handlerTimeoutMs)
  } catch (error) {
    // A client that went away in the middle of its request is not our error.
    if (incoming.destroyed && !incoming.complete) return
    logger.error('an HTTP request failed', {
      method: incoming.method,
      url: incoming.url,
      error: String(error),
    })
    response = problemResponse(
      500,
      'Internal Server Error',
      'the request failed; the log of the node says why',
    )
  }
  if (response !== null) send(incoming, outgoing, response)
}

function send(incoming: IncomingMessage, outgoing: ServerResponse, response: HttpResponse): void {
  const body = typeof response.body === 'string' ? Buffer.from(response.body) : response.body
  // A body that was not read to its end leaves the connection in the middle of a request.
  const connection = incoming.complete ? {} : { connection: 'close' }
  outgoing.writeHead(response.status, {
    'x-content-type-options': 'nosniff',
    'cache-control': 'no-store',
    ...response.headers,
    ...connection,
    'content-length': body.length,
  })
  outgoing.end(incoming.method === 'HEAD' ? undefined : body)
}

async function readRequest(
  incoming: IncomingMessage,
  bodyBytesMax: number,
): Promise<HttpRequest | HttpResponse> {
  const target = parseTarget(incoming.url ?? '')
  if (target === null) return problemResponse(400, 'Bad Request', 'the request target is not a path')
  const chunks: Buffer[] = []
  let length = 0
  if (Number(incoming.headers['content-length'] ?? 0) > bodyBytesMax) return tooLarge(bodyBytesMax)
  for await (const chunk of incoming.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > bodyBytesMax) return tooLarge(bodyBytesMax)
    chunks.push(chunk)
  }
  const headers = new Map<string, string>()
  for (const [name, value] of Object.entries(incoming.headers)) {
    if (value !== undefined) headers.set(name, Array.isArray(value) ? value.join(', ') : value)
  }
  const method = incoming.method ?? 'GET'
  assert(method === method.toUpperCase())
  return { method, path: target.path, query: target.query, headers, body: Buffer.concat(chunks, length) }
}

function tooLarge(bodyBytesMax: number): HttpResponse {
  return problemResponse(413, 'Content Too Large', `a body may have at most ${bodyBytesMax} bytes`)
}

function parseTarget(url: string): Pick<HttpRequest, 'path' | 'query'> | null {
  if (!url.startsWith('/')) return null
  const mark = url.indexOf('?')
  try {
    const path = decodeURIComponent(mark < 0 ? url : url.slice(0, mark))
    return { path, query: new Map(new URLSearchParams(mark < 0 ? '' : url.slice(mark + 1))) }
  } catch {
    return null // a broken %-escape
  }
}

function isResponse(value: HttpRequest | HttpResponse): value is HttpResponse {
  return 'status' in value
}

/** The handler's answer, or one that says that it took too long; null when nobody waits for it any more. */
async function untilGone(
  outgoing: ServerResponse,
  response: Promise<HttpResponse>,
  timeoutMs: number,
): Promise<HttpResponse | null> {
  let timer: NodeJS.Timeout | undefined
  const otherwise = new Promise<HttpResponse | null>((resolve) => {
    const late = problemResponse(504, 'Gateway Timeout', `no answer within ${timeoutMs} ms`)
    timer = setTimeout(() => resolve(late), timeoutMs)
    outgoing.once('close', () => resolve(null))
  })
  try {
    return await Promise.race([response, otherwise])
  } finally {
    clearTimeout(timer)
  }
}
