import assert from 'node:assert/strict'
import { test } from 'node:test'
import { storageError } from '../../base/errors.ts'
import { DiskFault } from '../../env/disk.ts'
import { NetworkFault } from '../../env/network.ts'
import type { OptionName } from '../options/option-table.ts'
import { type ResolvedOptions, resolveOptions } from '../options/resolve-options.ts'
import { renderError } from '../report-error.ts'
import { explainDirectory, explainFailure } from './explain-failure.ts'
import { isWildcard, localHost, nodeOptionsFrom } from './node-options-from.ts'

function resolved(flags: Partial<Record<OptionName, string>> = {}): ResolvedOptions {
  const given = new Map(Object.entries(flags) as [OptionName, string][])
  const { resolved: options, problems } = resolveOptions({ flags: given, environment: {}, file: null })
  assert.deepEqual(problems, [])
  return options
}

test('a port in use names the option that asks for it and where that was said', () => {
  const byFlag = explainFailure(
    new NetworkFault('listen on 127.0.0.1:7500', 'EADDRINUSE'),
    resolved({ 'peer-port': '7500' }),
  )
  assert.equal(byFlag.name, 'portInUse')
  assert.match(
    byFlag.message,
    /^port 7500 of 127\.0\.0\.1 is in use by another process; option peer-port \(--peer-port\)/,
  )
  assert.match(byFlag.hint, /--peer-port 0/)
  const byDefault = explainFailure(new NetworkFault('listen on 127.0.0.1:6379', 'EADDRINUSE'), resolved())
  assert.match(byDefault.message, /option redis-port \(the default of --redis-port\)/)
  assert.deepEqual(byDefault.context['option'], 'redis-port')
})

test('a port that is forbidden is told from a file that is', () => {
  const port = explainFailure(
    new NetworkFault('listen on 127.0.0.1:80', 'EACCES'),
    resolved({ 'http-port': '80' }),
  )
  assert.match(port.message, /may not listen on port 80 of 127\.0\.0\.1; option http-port/)
  const file = explainFailure(new DiskFault('open', 'log/1', 'EACCES'), resolved())
  assert.match(file.message, /open log\/1: EACCES/)
})

test('what the directory refuses names the directory, and how it was chosen', () => {
  const options = resolved({ 'data-dir': '/d' })
  for (const errno of ['EACCES', 'EPERM', 'EROFS', 'EEXIST', 'ENOTDIR']) {
    const error = explainDirectory(new DiskFault('makeDirectory', '', errno), options)
    assert.equal(error.name, 'dataDirectoryNotWritable', errno)
    assert.match(error.message, /^can't write in the data directory \/d \(--data-dir\): /)
  }
  const full = explainDirectory(new DiskFault('write', 'identity.tmp', 'ENOSPC'), options)
  assert.equal(full.name, 'diskFull')
  assert.match(full.message, /in \/d; option data-dir \(--data-dir\) asks for it$/)
  const used = storageError('dataDirectoryInUse', { message: 'process 7 uses it' })
  assert.equal(explainDirectory(used, options), used)
})

test('an error that is known already is not changed, and an unknown one is an internal error', () => {
  const known = storageError('newerFormat')
  assert.equal(explainFailure(known, resolved()), known)
  assert.equal(explainFailure(new Error('surprise'), resolved()).name, 'internalError')
})

test('an error is told as one line with its code, and one with what to do', () => {
  const error = storageError('diskFull', { message: 'no room' })
  const [first, second, ...rest] = renderError("can't start", error).split('\n')
  assert.equal(
    first,
    "holdfast: can't start: 2002 diskFull: no room (heals by itself when the cause is gone)",
  )
  assert.match(second ?? '', /^ {2}Free or add space/)
  assert.deepEqual(rest, [''])
})

test('the options of a node are those of the operator', () => {
  const httpAddress = { host: '127.0.0.1', port: 9999 }
  const bound = { httpAddress, processId: 7, password: 'p' }
  const options = nodeOptionsFrom(resolved({ 'election-timeout': '2s', join: 'a:1' }).values, bound)
  assert.deepEqual(
    [
      options.electionTimeoutMs,
      options.heartbeatMs,
      options.join,
      options.httpAddress,
      options.password,
      options.nodeId,
    ],
    [2_000, 30, [{ host: 'a', port: 1 }], httpAddress, 'p', null],
  )
  const wide = nodeOptionsFrom(resolved({ host: '0.0.0.0', password: 'p' }).values, bound)
  assert.ok(!isWildcard(wide.advertiseHost), 'nobody can connect to 0.0.0.0')
  const named = nodeOptionsFrom(resolved({ 'advertise-host': 'n1.example' }).values, bound)
  assert.deepEqual(
    [named.host, named.advertiseHost, named.httpAddress?.host],
    ['127.0.0.1', 'n1.example', 'n1.example'],
  )
  assert.deepEqual(['0.0.0.0', '::', 'n1'].map(localHost), ['127.0.0.1', '::1', 'n1'])
})
