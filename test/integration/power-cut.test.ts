/**
 * The power cuts of test/nemesis are real: what was synced stays, what was not goes, in files and
 * in directories, from any thread; and a node that does not sync is found out.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { createRocksEngineStore } from '../../src/env-node/engine/rocksdb-store.ts'
import { runKills } from '../nemesis/kill-run.ts'
import { buildShim, powerCutsMissing } from '../nemesis/power-cut/build-shim.ts'
import { startCutCluster } from '../nemesis/power-cut/cut-cluster.ts'
import { type CutReport, cutPower, type PowerCut, shimEnvironment } from '../nemesis/power-cut/power-cut.ts'
import { pseudoRandom } from '../nemesis/pseudo-random.ts'
import { temporaryDirectory } from './holdfast-process.ts'

const skip = (await powerCutsMissing()) ?? false

type Place = { readonly directory: string; readonly journal: string }

/** What the processes of these tests begin with. */
const PRELUDE = `
  const fs = require('node:fs')
  const path = require('node:path')
  const at = (name) => path.join(process.argv[1], name)
  const syncDirectory = (name = '.') => {
    const fd = fs.openSync(at(name), 'r')
    fs.fsyncSync(fd)
    fs.closeSync(fd)
  }
  const write = (name, text, position, syncs) => {
    const fd = fs.openSync(at(name), fs.existsSync(at(name)) ? 'r+' : 'w+')
    fs.writeSync(fd, text, position)
    if (syncs) fs.fdatasyncSync(fd)
    fs.closeSync(fd)
  }
`
const DIE = `process.kill(process.pid, 'SIGKILL')`

async function prepare(t: TestContext): Promise<Place> {
  const directory = join(realpathSync(await temporaryDirectory(t)), 'data')
  mkdirSync(directory)
  return { directory, journal: `${directory}.undo` }
}

/** Runs the code until it has killed itself, and cuts the power. */
async function runAndCut(
  place: Place,
  code: string,
  keep: PowerCut['keep'] = null,
  syncsNothing = false,
): Promise<CutReport> {
  const environment = shimEnvironment(await buildShim(), place, { syncsNothing })
  const child = spawn(process.execPath, ['-e', PRELUDE + code, place.directory], {
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  const signal = await new Promise((resolve) => child.once('close', (_code, by) => resolve(by)))
  assert.equal(signal, 'SIGKILL')
  return cutPower({ ...place, keep })
}

const read = ({ directory }: Place, name: string): string => readFileSync(join(directory, name), 'utf8')

test('bytes: synced ones stay, later ones go', { skip }, async (t) => {
  const place = await prepare(t)
  const report = await runAndCut(
    place,
    `write('log', 'aaaaaaaaaa', 0, true)
     syncDirectory()
     write('log', 'BB', 2, false)
     write('log', 'CCCC', 8, false)
     ${DIE}`,
  )
  assert.equal(read(place, 'log'), 'aaaaaaaaaa')
  assert.equal(report.changesUndone, 2)
})

test('bytes: a sync of another file covers nothing here', { skip }, async (t) => {
  const place = await prepare(t)
  await runAndCut(
    place,
    `write('log', 'aaaa', 0, true)
     write('other', 'oooo', 0, true)
     syncDirectory()
     write('log', 'bbbb', 0, false)
     write('other', 'pppp', 0, true)
     fs.truncateSync(at('other'), 1)
     ${DIE}`,
  )
  assert.equal(read(place, 'log'), 'aaaa')
  assert.equal(read(place, 'other'), 'pppp')
})

test('bytes: all ways of writing are seen, in every thread', { skip }, async (t) => {
  const place = await prepare(t)
  await runAndCut(
    place,
    `const names = ['worker', 'async', 'vector', 'appended', 'replaced', 'stream']
     for (const name of names) write(name, 'old!', 0, true)
     syncDirectory()
     const { Worker } = require('node:worker_threads')
     const inWorker = () => new Promise((resolve) => {
       const code = "const fs = require('node:fs'); const { workerData } = require('node:worker_threads');" +
         "const fd = fs.openSync(workerData, 'r+'); fs.writeSync(fd, 'new', 0); fs.closeSync(fd)"
       new Worker(code, { eval: true, workerData: at('worker') }).once('exit', resolve)
     })
     const run = async () => {
       await inWorker()
       const file = await fs.promises.open(at('async'), 'r+')
       await file.write('new', 0)
       const vector = await fs.promises.open(at('vector'), 'r+')
       await vector.writev([Buffer.from('ne'), Buffer.from('w')], 0)
       await fs.promises.appendFile(at('appended'), 'new')
       await fs.promises.writeFile(at('replaced'), 'new')
       await require('node:stream/promises').pipeline([Buffer.from('new')], fs.createWriteStream(at('stream')))
       for (const name of names) if (!fs.readFileSync(at(name), 'utf8').includes('new')) throw new Error(name)
       ${DIE}
     }
     run()`,
  )
  for (const name of ['worker', 'async', 'vector', 'appended', 'replaced', 'stream'])
    assert.equal(read(place, name), 'old!', name)
})

test('names: without a sync of the directory they never were', { skip }, async (t) => {
  const place = await prepare(t)
  await runAndCut(
    place,
    `write('kept', 'kept', 0, true)
     write('renamed', 'renamed', 0, true)
     write('target', 'target', 0, true)
     fs.mkdirSync(at('folder'))
     write('folder/in', 'in', 0, true)
     syncDirectory()
     syncDirectory('folder')
     write('created', 'created', 0, true)
     fs.renameSync(at('renamed'), at('target'))
     fs.rmSync(at('kept'))
     fs.mkdirSync(at('folder/deeper'))
     write('folder/deeper/file', 'file', 0, true)
     fs.rmSync(at('folder/in'))
     syncDirectory('folder')
     ${DIE}`,
  )
  assert.equal(existsSync(join(place.directory, 'created')), false)
  assert.equal(read(place, 'renamed'), 'renamed')
  assert.equal(read(place, 'target'), 'target')
  assert.equal(read(place, 'kept'), 'kept')
  assert.equal(existsSync(join(place.directory, 'folder/in')), false)
  assert.equal(existsSync(join(place.directory, 'folder/deeper')), true)
  assert.equal(existsSync(join(place.directory, 'folder/deeper/file')), false)
})

test('names: after a sync of the directory they stay, and bytes are found under new names', {
  skip,
}, async (t) => {
  const place = await prepare(t)
  await runAndCut(
    place,
    `write('new.tmp', 'durable', 0, true)
     write('new.tmp', 'DURABLE', 0, false)
     fs.renameSync(at('new.tmp'), at('new'))
     syncDirectory()
     ${DIE}`,
  )
  assert.equal(read(place, 'new'), 'durable')
  assert.equal(existsSync(join(place.directory, 'new.tmp')), false)
})

test('a data directory that was made, and its engines, are there after a cut', { skip }, async (t) => {
  const place = await prepare(t)
  const source = new URL('../../src/', import.meta.url).href
  await runAndCut(
    place,
    `const make = async () => {
       const { takeDirectory } = await import('${source}cli/start/data-directory.ts')
       const { createRocksEngineStore } = await import('${source}env-node/engine/rocksdb-store.ts')
       const { directory } = await takeDirectory(at('made/for/data'), process.pid)
       const engine = await createRocksEngineStore({ directory: path.join(directory, 'engines') }).open('group-1')
       await engine.write([{ kind: 'put', key: 'a', value: '1' }])
       await engine.persist()
       ${DIE}
     }
     make().catch((error) => { console.error(error) })`,
  )
  const directory = join(place.directory, 'made/for/data/engines')
  assert.ok(existsSync(directory))
  const engine = await createRocksEngineStore({ directory }).open('group-1')
  assert.deepEqual(await engine.getMany(['a']), ['1'])
  await engine.close()
})

test('a disk that keeps some sectors keeps each whole, and no other', { skip }, async (t) => {
  const place = await prepare(t)
  await runAndCut(
    place,
    `write('log', Buffer.alloc(64 * 512, 'a').toString(), 0, true)
     syncDirectory()
     write('log', Buffer.alloc(64 * 512, 'b').toString(), 0, false)
     ${DIE}`,
    { chance: 0.5, random: pseudoRandom(7) },
  )
  const text = read(place, 'log')
  const sectors = Array.from({ length: 64 }, (_value, at) => text.slice(at * 512, at * 512 + 512))
  assert.ok(sectors.every((sector) => /^(a{512}|b{512})$/.test(sector)))
  assert.ok(sectors.some((sector) => sector[0] === 'a') && sectors.some((sector) => sector[0] === 'b'))
})

test('a disk whose syncs do nothing keeps nothing', { skip }, async (t) => {
  const place = await prepare(t)
  const code = `write('log', 'aaaa', 0, true); syncDirectory(); ${DIE}`
  const report = await runAndCut(place, code, null, true)
  assert.equal(report.syncs, 0)
  assert.equal(existsSync(join(place.directory, 'log')), false)
})

test('a node on a disk that syncs keeps its word through power cuts; on one that does not, it is found out', {
  skip,
}, async () => {
  for (const syncsNothing of [false, true]) {
    const cut = await startCutCluster({ nodes: 1, seed: 1, syncsNothing })
    try {
      const result = await runKills(cut.cluster, {
        kills: syncsNothing ? 1 : 2,
        signal: 'SIGKILL',
        clients: 4,
        seed: 1,
        afterKill: cut.cut,
      })
      assert.ok(result.acknowledged > 0)
      assert.deepEqual(result.doubled, [])
      if (syncsNothing) assert.ok(result.lost.length > 0, 'nothing was lost although nothing was synced')
      else assert.deepEqual([result.lost, result.stale], [[], []])
    } finally {
      await cut.destroy()
    }
  }
})
