import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { EngineFault } from '../../env/engine.ts'
import { faultOf } from './rocksdb-fault.ts'

const rocksError = (message: string, code = 'EIO'): Error => Object.assign(new Error(message), { code })

describe('faultOf', () => {
  // Texts as RocksDB 10.5 gave them.
  const corruptions: readonly (readonly [string, string])[] = [
    [
      'block checksum mismatch: stored(context removed) = 4042, computed = 3262, type = 4  in /d/g/000009.sst offset 0 size 8105',
      'g/000009.sst',
    ],
    [
      'Bad table magic number: expected 9863518390377041911, found 98635 in /d/g/000009.sst  The file /d/g/MANIFEST-000005 may be corrupted.',
      'g/000009.sst',
    ],
    [
      'Corruption: IO error: No such file or directory: While open a file for random read: /d/g/000009.sst: No such file or directory',
      'g/000009.sst',
    ],
    [
      'Sst file size mismatch between expected 229460 and file system 10000 sstable: /d/g/000009.sst',
      'g/000009.sst',
    ],
    ['checksum mismatch  The file /d/g/MANIFEST-000005 may be corrupted.', 'g/MANIFEST-000005'],
  ]
  for (const [message, path] of corruptions) {
    it(`sees corruption in "${message.slice(0, 40)}…"`, () => {
      const fault = faultOf('g', rocksError(message))
      assert.equal(fault.kind, 'corruption')
      assert.equal(fault.path, path)
      assert.equal(fault.errno, null)
    })
  }

  it('sees what the operating system refused, through the errors around it', () => {
    const inner = rocksError('While appending to file: /d/g/000036.sst: No space left on device', 'ENOSPC')
    const fault = faultOf('g', new Error('Batch was not applied', { cause: inner }))
    assert.deepEqual([fault.kind, fault.errno, fault.path], ['io', 'ENOSPC', 'g/000036.sst'])
    const many = new AggregateError(
      [undefined, rocksError('While pread: /d/g/000036.sst: Input/output error')],
      'Batch was not applied',
    )
    assert.deepEqual([faultOf('g', many).kind, faultOf('g', many).errno], ['io', 'EIO'])
    const node = Object.assign(new Error("EACCES: permission denied, open 'x'"), { code: 'EACCES' })
    assert.deepEqual([faultOf('g', node).kind, faultOf('g', node).errno], ['io', 'EACCES'])
  })

  it('does not guess corruption from words it does not know', () => {
    const fault = faultOf('g', rocksError('Shutdown in progress'))
    assert.deepEqual([fault.kind, fault.errno], ['io', null])
  })

  it('lets faults pass, and mistakes of the program too', () => {
    const fault = new EngineFault('closed', 'g', 'x')
    assert.equal(faultOf('g', fault), fault)
    assert.throws(() => faultOf('g', new TypeError('undefined is not a function')), TypeError)
    assert.throws(() => faultOf('g', new assert.AssertionError({ message: 'no' })), assert.AssertionError)
  })
})
