/**
 * Requests and answers of the HTTP port, decoded. Whoever owns the socket keeps the limits (bytes,
 * time, connections) and never hands over half a request; the handler is code without I/O.
 */
import type { Address } from './network.ts'

export type HttpRequest = {
  /** Upper case. */
  readonly method: string
  /** Decoded, without the query: `/status`. */
  readonly path: string
  /** Of a repeated name, the last value. */
  readonly query: ReadonlyMap<string, string>
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>
  readonly body: Uint8Array
}

export type HttpResponse = {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | Uint8Array
}

/** A rejection becomes a 500 answer and an error line in the log. */
export type HttpHandler = (request: HttpRequest) => Promise<HttpResponse>

export interface HttpListener {
  /** The real port, never 0. */
  readonly address: Address
  /** No new requests; those that are being answered get a second to end. */
  close(): Promise<void>
}

/** How an error is said over HTTP: RFC 9457. */
export function problemResponse(status: number, title: string, detail: string): HttpResponse {
  return {
    status,
    headers: { 'content-type': 'application/problem+json' },
    body: `${JSON.stringify({ type: 'about:blank', title, status, detail })}\n`,
  }
}
