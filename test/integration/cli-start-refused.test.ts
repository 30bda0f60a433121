/** Starts that must fail: one clear line with a code, what to do, exit code 1, and nothing changed. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, rmdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import { crc32 } from 'node:zlib'
import {
  ANY_PORTS,
  hasEndpoints,
  occupyPort,
  runHoldfast,
  type SpawnOptions,
  startNodeProcess,
  temporaryDirectory,
} from './holdfast-process.ts'

const NOBODY = 65_534
const run = promisify(execFile)

async function refusal(
  t: TestContext,
  directory: string,
  words: readonly string[],
  options: SpawnOptions = {},
): Promise<string> {
  const { code, out, err } = await runHoldfast(
    t,
    ['start', '--data-dir', directory, ...ANY_PORTS, ...words],
    options,
  )
  assert.deepEqual([code, out], [1, ''], err)
  assert.ok(!hasEndpoints(directory))
  const line = err.split('\n').find((text) => text.startsWith("holdfast: can't start: "))
  assert.ok(line !== undefined, err)
  assert.ok(!err.includes('    at '), `a stack is no message for an operator:\n${err}`)
  return err
}

for (const option of ['redis-port', 'http-port', 'peer-port']) {
  test(`a ${option} that is in use is named, and the directory stays usable`, async (t) => {
    const directory = await temporaryDirectory(t)
    const port = await occupyPort(t)
    const err = await refusal(t, directory, [`--${option}`, String(port)])
    assert.match(
      err,
      new RegExp(
        `3008 portInUse: port ${port} of 127\\.0\\.0\\.1 is in use.*option ${option} \\(--${option}\\)`,
      ),
    )
    assert.match(err, new RegExp(`--${option} 0`))
    await startNodeProcess(t, directory)
  })
}

test('a directory that another process uses is refused, with its process id', async (t) => {
  const directory = await temporaryDirectory(t)
  const first = await startNodeProcess(t, directory)
  const { code, err } = await runHoldfast(t, ['start', '--data-dir', directory, ...ANY_PORTS])
  assert.equal(code, 1)
  assert.match(err, /9002 dataDirectoryInUse: /)
  assert.match(err, new RegExp(`\\b${first.pid}\\b`))
  assert.ok(hasEndpoints(directory), "the running node's endpoints must stay")
})

test('a directory of another node is refused, and stays as it was', async (t) => {
  const directory = await temporaryDirectory(t)
  const first = await startNodeProcess(t, directory, ['--node-id', 'a'])
  first.kill('SIGTERM')
  await first.exited
  const before = await readFile(join(directory, 'identity'), 'utf8')
  const err = await refusal(t, directory, ['--node-id', 'b'])
  assert.match(err, /9003 dataDirectoryOfAnotherNode: .*belongs to node a, and --node-id says b/)
  const joining = await refusal(t, directory, ['--join', '127.0.0.1:1'])
  assert.match(joining, /9003 dataDirectoryOfAnotherNode: .*can't join another/)
  assert.equal(await readFile(join(directory, 'identity'), 'utf8'), before)
})

test('a directory of a newer version is refused', async (t) => {
  const directory = await temporaryDirectory(t)
  const line = '{"format":2}\n'
  await writeFile(join(directory, 'identity'), `${line}crc32 ${crc32(line).toString(16).padStart(8, '0')}\n`)
  assert.match(await refusal(t, directory, []), /9005 newerFormat: .*its format is 2, this version knows 1/)
})

test('a damaged identity is corruption, and an identity that is gone is not replaced', async (t) => {
  const directory = await temporaryDirectory(t)
  await writeFile(join(directory, 'identity'), '{"format":1}\ncrc32 00000000\n')
  assert.match(
    await refusal(t, directory, []),
    /1001 checksumMismatch: the file identity in the data directory is damaged/,
  )
  const lost = await temporaryDirectory(t)
  await mkdir(join(lost, 'log'))
  assert.match(
    await refusal(t, lost, []),
    /2009 fileMissing: .*no file identity, but is not empty: it holds log/,
  )
  assert.ok(!(await readdir(lost)).includes('identity'))
})

test('a damaged engine is refused with what to do; done so, the node starts', async (t) => {
  const directory = await temporaryDirectory(t)
  const first = await startNodeProcess(t, directory)
  first.kill('SIGTERM')
  await first.exited
  const engine = join(directory, 'engines', 'group-1')
  await writeFile(join(engine, 'CURRENT'), 'MANIFEST-0000\n')
  for (let attempt = 1; attempt <= 2; attempt++) {
    const err = await refusal(t, directory, [])
    assert.match(err, /1006 engineDamaged: the engine of group 1 is damaged: .*CURRENT/)
    assert.match(err, /Move engines\/group-1 out of the data directory/)
  }
  await rename(engine, `${directory}-evidence`)
  t.after(() => rm(`${directory}-evidence`, { recursive: true }))
  await startNodeProcess(t, directory)
})

test('a log that is gone is refused, at every start', async (t) => {
  const directory = await temporaryDirectory(t)
  const first = await startNodeProcess(t, directory)
  first.kill('SIGTERM')
  await first.exited
  await rm(join(directory, 'log'), { recursive: true })
  for (let attempt = 1; attempt <= 2; attempt++) {
    assert.match(await refusal(t, directory, []), /1005 logDamaged: .*its log is gone/)
  }
  assert.ok(!(await readdir(directory)).includes('log'))
})

test('a directory that can not be written is refused', async (t) => {
  const parent = await temporaryDirectory(t)
  const directory = join(parent, 'data')
  await mkdir(directory)
  await chmod(parent, 0o755)
  await chmod(directory, 0o555)
  // Root may write everywhere: as root, the node runs as somebody else.
  const options = process.getuid?.() === 0 ? { userId: NOBODY } : {}
  const err = await refusal(t, directory, [], options)
  assert.match(err, /9004 dataDirectoryNotWritable: can't write in the data directory .*EACCES/)
  await chmod(directory, 0o755)
})

test('a file in the place of the directory is refused', async (t) => {
  const path = join(await temporaryDirectory(t), 'data')
  await writeFile(path, '')
  assert.match(await refusal(t, path, []), /9004 dataDirectoryNotWritable: .*something that is no directory/)
})

test('a full disk is named, with the directory', async (t) => {
  const mounted = await mountSmall(t)
  if (mounted === null) return t.skip('needs the right to mount a small file system')
  await writeFile(join(mounted, 'filler'), Buffer.alloc(60_000)).catch(() => undefined)
  const directory = join(mounted, 'data')
  const err = await refusal(t, directory, [])
  assert.match(err, /2002 diskFull: .*option data-dir \(--data-dir\)/)
})

test('a file system that is read-only is refused', async (t) => {
  const mounted = await mountSmall(t)
  if (mounted === null) return t.skip('needs the right to mount a small file system')
  await mkdir(join(mounted, 'data'))
  await run('mount', ['-o', 'remount,ro', mounted])
  const err = await refusal(t, join(mounted, 'data'), [])
  assert.match(err, /9004 dataDirectoryNotWritable: .*EROFS/)
  assert.match(err, /Mount the file system writable/)
})

test('options that are not usable are refused before anything is made', async (t) => {
  const directory = join(await temporaryDirectory(t), 'data')
  const bad = await refusal(t, directory, ['--node-id', 'a b', '--redis-port', '99999'])
  assert.match(bad, /9006 invalidConfiguration: 2 options are not usable/)
  assert.match(bad, /--node-id: option node-id: "a b" is not allowed/)
  assert.match(bad, /--redis-port: option redis-port: "99999" is not allowed/)
  const exposed = await refusal(t, directory, ['--host', '0.0.0.0'])
  assert.match(exposed, /9009 unsafeExposure: .*\n.*there is no password/)
  const file = `${directory}.yaml`
  await writeFile(file, 'host: 127.0.0.1\nredis-prt: 1\n')
  assert.match(
    await refusal(t, directory, ['--config', file]),
    /data\.yaml:2:1: there is no option redis-prt; did you mean redis-port\?/,
  )
  await assert.rejects(readdir(directory), { code: 'ENOENT' })
})

test('an address that this machine does not have is refused', async (t) => {
  const directory = await temporaryDirectory(t)
  const err = await refusal(t, directory, ['--host', '203.0.113.1', '--force-insecure-bind'])
  assert.match(
    err,
    /3009 addressNotAvailable: this machine has no address 203\.0\.113\.1; option host \(--host\)/,
  )
})

/** 64 KiB of memory as a file system; null where this process may not mount. */
async function mountSmall(t: TestContext): Promise<string | null> {
  const place = await mkdtemp(join(tmpdir(), 'holdfast-mount-'))
  try {
    await run('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', place])
  } catch {
    await rmdir(place)
    return null
  }
  t.after(async () => {
    await run('umount', [place])
    await rmdir(place)
  })
  return place
}
