import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { watchStopSignals } from './stop-signals.ts'

test('the first signal asks for a stop, the second one for an end', async () => {
  for (const [first, second] of [
    ['SIGTERM', 'SIGINT'],
    ['SIGINT', 'SIGINT'],
  ] as const) {
    const source = new EventEmitter()
    let seconds = 0
    const signals = watchStopSignals(source, () => seconds++, null)
    source.emit(first, first)
    assert.equal(await signals.requested, first)
    assert.equal(seconds, 0)
    source.emit(second, second)
    assert.equal(seconds, 1)
    signals.dispose()
    assert.deepEqual([source.listenerCount('SIGTERM'), source.listenerCount('SIGINT')], [0, 0])
  }
})

test('the end of standard input asks once, and is no second signal', async () => {
  const source = new EventEmitter()
  const input = new PassThrough()
  let seconds = 0
  const signals = watchStopSignals(source, () => seconds++, input)
  input.end('anything that is typed')
  assert.equal(await signals.requested, 'end of standard input')
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(seconds, 0)
  source.emit('SIGTERM', 'SIGTERM')
  assert.equal(seconds, 1)
  signals.dispose()
})
