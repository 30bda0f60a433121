/** The watchdog in a real process whose main loop, log, or whole self stops. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, test } from 'node:test'
import { NetworkFault } from '../env/network.ts'
import { startWatchdog } from './watchdog.ts'

const PROGRAM = `
import { startWatchdog } from ${JSON.stringify(new URL('./watchdog.ts', import.meta.url).href)}
const dog = await startWatchdog({
  listen: { host: '127.0.0.1', port: 0 }, mainLimitMs: 600, logLimitMs: 600, onDeath: (error) => { throw error },
})
console.log(dog.address.port)
process.on('message', (order) => {
  if (order === 'block') { const end = Date.now() + 2000; while (Date.now() < end); }
  if (order === 'begin') dog.logBegun()
  if (order === 'finish') dog.logFinished()
})
`

const fail = (error: unknown): void => assert.fail(String(error))

type Watched = { readonly child: ChildProcess; readonly port: number; stderr: string }

async function start(): Promise<Watched> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', PROGRAM], {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  const exited = once(child, 'exit').then(() => assert.fail('the program ended early'))
  exited.catch(() => undefined)
  const [line] = (await Promise.race([once(child.stdout as NodeJS.ReadableStream, 'data'), exited])) as [
    Buffer,
  ]
  const watched: Watched = { child, port: Number(line.toString()), stderr: '' }
  child.stderr?.on('data', (chunk: Buffer) => {
    watched.stderr += chunk.toString()
  })
  return watched
}

type Live = { readonly status: number; readonly body: { status: string; part?: string; reason?: string } }

async function livez(port: number): Promise<Live> {
  const response = await fetch(`http://127.0.0.1:${port}/livez`)
  return { status: response.status, body: (await response.json()) as Live['body'] }
}

async function until(port: number, isIt: (live: Live) => boolean): Promise<Live> {
  for (let tries = 0; tries < 200; tries++) {
    const live = await livez(port)
    if (isIt(live)) return live
    await new Promise((go) => setTimeout(go, 20))
  }
  return assert.fail('/livez did not change its mind')
}

describe('watchdog', () => {
  test('tells a stuck main loop and a stuck log, and when they go on', async () => {
    const watched = await start()
    try {
      assert.deepEqual((await until(watched.port, (live) => live.status === 200)).body, { status: 'alive' })
      watched.child.send('block')
      const wedged = await until(watched.port, (live) => live.status === 503)
      assert.equal(wedged.body.part, 'main loop')
      assert.match(wedged.body.reason ?? '', /not turned for \d+ ms/)
      await until(watched.port, (live) => live.status === 200)
      watched.child.send('begin')
      const stuck = await until(watched.port, (live) => live.status === 503)
      assert.equal(stuck.body.part, 'log')
      watched.child.send('finish')
      await until(watched.port, (live) => live.status === 200)
      const story = watched.stderr
        .trim()
        .split('\n')
        .map((line) => (JSON.parse(line) as { message: string }).message)
      assert.match(
        story.join('; '),
        /main loop has not turned .*; the main loop goes on again; .*log has not finished a write .*; the log goes on again/,
      )
    } finally {
      watched.child.kill('SIGKILL')
    }
  })

  test('a process that was stopped as a whole is not called stuck afterwards', async () => {
    const watched = await start()
    try {
      watched.child.kill('SIGSTOP')
      await new Promise((go) => setTimeout(go, 1_200))
      watched.child.kill('SIGCONT')
      for (let tries = 0; tries < 10; tries++) {
        assert.equal((await livez(watched.port)).status, 200)
        await new Promise((go) => setTimeout(go, 30))
      }
      assert.equal(watched.stderr, '')
    } finally {
      watched.child.kill('SIGKILL')
    }
  })

  test('knows only /livez, and a port that is taken is a fault', async () => {
    const dog = await startWatchdog({ listen: { host: '127.0.0.1', port: 0 }, onDeath: fail })
    assert(dog.address !== null)
    assert.equal((await fetch(`http://127.0.0.1:${dog.address.port}/metrics`)).status, 404)
    await dog.stop()
    const other = createServer().listen(0, '127.0.0.1')
    await once(other, 'listening')
    const { port } = other.address() as AddressInfo
    await assert.rejects(
      startWatchdog({ listen: { host: '127.0.0.1', port }, onDeath: fail }),
      (error) => error instanceof NetworkFault && error.errno === 'EADDRINUSE',
    )
    other.close()
  })

  test('works without a port', async () => {
    const dog = await startWatchdog({ listen: null, onDeath: fail })
    assert.equal(dog.address, null)
    await dog.stop()
  })
})
