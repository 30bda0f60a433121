/** `holdfast bench` against a real node. */
import assert from 'node:assert/strict'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { readEndpointsJson, runHoldfast, startNodeProcess, temporaryDirectory } from './holdfast-process.ts'

test('bench measures each test on a node, and what it says was written is there', async (t) => {
  const directory = join(await temporaryDirectory(t), 'n1')
  await startNodeProcess(t, directory)
  const { redis } = await readEndpointsJson(directory)
  const words = ['bench', '--port', String(redis.port), '--clients', '3', '--pipeline', '4', '--keys', '10']
  const run = await runHoldfast(t, [...words, '--requests', '201', '--tests', 'set,get,incr,hset,ping'])
  assert.equal(run.code, 0, run.err)
  assert.match(run.err, /3 clients, pipeline 4, 201 requests of each test/)
  const [headings, ...rows] = run.out.trimEnd().split('\n')
  assert.match(headings as string, /^TEST +REQUESTS\/S +P50 MS +P99 MS +P99\.9 MS +MAX MS +ERRORS +LOOP$/)
  assert.deepEqual(
    rows.map((row) => row.split(/ +/)[0]),
    ['set', 'get', 'incr', 'hset', 'ping'],
  )
  for (const row of rows) assert.match(row, /^[a-z]+ +[1-9]\d*( +\d+\.\d{3}){4} +0 +\d+ %$/)
  const single = ['--clients', '1', '--requests', '1', '--keys', '1', '--pipeline', '1']
  const counted = await runHoldfast(t, [...words, ...single, '--tests', 'incr'])
  assert.equal(counted.code, 0, counted.err)
  assert.equal(await sumOfCounters(redis.port), 202)
})

test('bench counts error replies, and its exit code says that there were some', async (t) => {
  const port = await refusingServer(t)
  const words = ['bench', '--port', String(port), '--clients', '2', '--requests', '8', '--tests', 'set']
  const { code, out, err } = await runHoldfast(t, words)
  assert.equal(code, 1)
  assert.match(out, /^set .* 8 +\d+ %$/m)
  assert.match(err, /set: 8 errors, the first: NOAUTH who are you/)
})

test('bench says what is wrong with its flags, and that nobody answers', async (t) => {
  const flags = await runHoldfast(t, ['bench', '--requests', '0', '--tests', 'set,fly'])
  assert.equal(flags.code, 1)
  assert.match(flags.err, /--requests: .*"0" is not allowed; it must be a whole number/)
  assert.match(flags.err, /--tests: .*"set,fly" is not allowed; it must be one or more of ping, set/)
  const nobody = await runHoldfast(t, ['bench', '--port', '1'])
  assert.equal(nobody.code, 1)
  assert.match(nobody.err, /can't measure 127\.0\.0\.1:1: 3003 connectionRefused/)
})

/** Answers every request with an error. */
async function refusingServer(t: { after(end: () => void): void }): Promise<number> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('data', (chunk) => {
      for (const _ of String(chunk).matchAll(/^\*/gm)) socket.write('-NOAUTH who are you\r\n')
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const address = server.address()
  assert(address !== null && typeof address === 'object')
  return address.port
}

async function sumOfCounters(port: number): Promise<number> {
  const { createClient } = await import('redis')
  const client = createClient({ socket: { port } })
  await client.connect()
  try {
    const keys = await client.keys('bench:counter:*')
    const values = await client.mGet(keys)
    return values.reduce((sum, value) => sum + Number(value), 0)
  } finally {
    await client.close()
  }
}
