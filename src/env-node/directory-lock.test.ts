import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { StorageError } from '../base/errors.ts'
import { LOCK_FILE, LOCK_HOLDER_FILE, lockDataDirectory } from './directory-lock.ts'

const MODULE = new URL('./directory-lock.ts', import.meta.url).href

async function temporaryDirectory(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-lock-'))
  t.after(() => rm(directory, { recursive: true }))
  return directory
}

async function refusal(directory: string): Promise<StorageError> {
  const error = await lockDataDirectory(directory, process.pid).then(
    () => assert.fail('it was locked twice'),
    (thrown: unknown) => thrown,
  )
  assert.ok(error instanceof StorageError, String(error))
  assert.equal(error.name, 'dataDirectoryInUse')
  return error
}

type Other = { readonly pid: number; readonly answer: string; kill(): Promise<void> }

/** Another process that tries to take the lock, says how it went, and stays until it is killed. */
async function tryInProcess(t: TestContext, directory: string): Promise<Other> {
  const script =
    `const { lockDataDirectory } = await import(${JSON.stringify(MODULE)});` +
    `const lock = await lockDataDirectory(${JSON.stringify(directory)}, process.pid).catch((error) => error);` +
    `console.log(lock.name ?? 'held'); setInterval(() => lock, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL')
    await exited
  }
  t.after(kill)
  const [answer] = await once(child.stdout, 'data')
  return { pid: child.pid ?? assert.fail('no process'), answer: String(answer).trim(), kill }
}

test('a directory is locked once, and again after it was released', async (t) => {
  const directory = await temporaryDirectory(t)
  const lock = await lockDataDirectory(directory, process.pid)
  await refusal(directory)
  await refusal(directory)
  // Closing a file drops every POSIX lock its process holds on it: a refusal must not have done that.
  assert.equal((await tryInProcess(t, directory)).answer, 'dataDirectoryInUse')
  lock.release()
  lock.release()
  const again = await lockDataDirectory(directory, process.pid)
  assert.equal((await stat(join(directory, LOCK_FILE))).size, 0)
  again.release()
})

test('the lock of another process is named by its id, and ends with kill -9', async (t) => {
  const directory = await temporaryDirectory(t)
  const holder = await tryInProcess(t, directory)
  assert.equal(holder.answer, 'held')
  const error = await refusal(directory)
  assert.equal(error.message, `process ${holder.pid} uses the data directory ${directory}`)
  await holder.kill()
  const lock = await lockDataDirectory(directory, process.pid)
  lock.release()
})

test('what is said about the holder may be wrong or absent without harm', async (t) => {
  const directory = await temporaryDirectory(t)
  await writeFile(join(directory, LOCK_HOLDER_FILE), '999999\n')
  const lock = await lockDataDirectory(directory, process.pid)
  await writeFile(join(directory, LOCK_HOLDER_FILE), 'nonsense')
  assert.match((await refusal(directory)).message, /^another process uses/)
  await rm(join(directory, LOCK_HOLDER_FILE))
  assert.match((await refusal(directory)).message, /^another process uses/)
  lock.release()
})

test('a directory that is missing, or is a file, is reported as the system says it', async (t) => {
  const directory = await temporaryDirectory(t)
  await assert.rejects(lockDataDirectory(join(directory, 'none'), 1), { code: 'ENOENT' })
  await writeFile(join(directory, 'file'), '')
  await assert.rejects(lockDataDirectory(join(directory, 'file'), 1), { code: 'ENOTDIR' })
})
