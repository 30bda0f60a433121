/** No secret by name, no credential in a URL, no vector, nothing endless in what is logged or sent. */
import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { describe, it } from 'node:test'
import { REDACTED, redact, redactText } from './redaction.ts'

describe('redaction', () => {
  it('hides secrets by the name of their key, at any depth', () => {
    const names = [
      'password',
      'PASSWORD',
      'requirePass',
      'passwd',
      'passphrase',
      'secret',
      'clientSecret',
      'accessToken',
      'token',
      'credentials',
      'authorization',
      'Authorisation',
      'auth',
      'cookie',
      'set-cookie',
      'apiKey',
      'api_key',
      'accessKey',
      'access-key-id',
      'privateKey',
      'accountKey',
      'vector',
      'queryVectors',
      'embedding',
    ]
    for (const name of names) {
      assert.deepEqual(redact({ [name]: 'hunter2' }), { [name]: REDACTED }, name)
      assert.deepEqual(redact({ a: [{ [name]: { x: 'hunter2' } }] }), { a: [{ [name]: REDACTED }] }, name)
    }
  })

  it('shows what is no secret', () => {
    const shown = { path: 'log/1', key: 'k', author: 'x', passed: 3, keys: ['a'], group: 1, none: null }
    assert.deepEqual(redact(shown), shown)
  })

  it('cuts credentials out of URLs inside any text', () => {
    const text = redactText('GET redis://user:hunter2@host:6379/0 and https://:hunter2@x')
    assert.doesNotMatch(text, /hunter2/)
    assert.match(text, /@host:6379/)
    assert.equal(redactText('mail a@b.example, ratio 1/2@3'), 'mail a@b.example, ratio 1/2@3')
  })

  it('gives plain, finite, limited data', () => {
    const cycle: Record<string, unknown> = { name: 'x' }
    cycle['self'] = cycle
    assert.match(JSON.stringify(redact(cycle)), /\[cut\]/)
    assert.deepEqual(
      redact({ big: 12n, nan: Number.NaN, gone: undefined, run: () => 1, bytes: Buffer.alloc(9) }),
      {
        big: '12',
        nan: 'NaN',
        run: '[cut]',
        bytes: '[9 bytes]',
      },
    )
    assert(
      JSON.stringify(redact({ text: 'x'.repeat(100_000), list: Array(10_000).fill('y') })).length < 2_000,
    )
    const wide = Object.fromEntries(Array.from({ length: 1000 }, (_, index) => [`k${index}`, index]))
    assert(Object.keys(redact(wide)).length <= 32)
    assert.deepEqual(redact({ cause: new Error('redis://u:hunter2@h') }), {
      cause: `Error: redis://${REDACTED}@h`,
    })
  })

  it('takes time in proportion to the text', () => {
    const started = performance.now()
    for (const unit of ['x', 'a://', 'a:', '@', 'a://x@']) redactText(unit.repeat(200_000))
    assert(performance.now() - started < 5_000, 'quadratic')
  })

  it('keeps a key named __proto__ a key', () => {
    const plain = redact(JSON.parse('{"__proto__": {"a": 1}}') as Record<string, unknown>)
    assert.deepEqual(Object.keys(plain), ['__proto__'])
    assert.equal(Object.getPrototypeOf(plain), Object.prototype)
  })
})
