/** `npm ci` must take the lock on every platform, so every build it names must have an entry. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { it } from 'node:test'
import { completeLock, findMissingBuilds, LOCK_FILE, type Lock } from './lock-file.ts'

const LOCK: Lock = {
  packages: {
    '': { version: '1' },
    'node_modules/a': {
      version: '1',
      dev: true,
      optionalDependencies: {
        '@a/b-linux-x64': '1',
        '@a/b-linux-arm-musleabihf': '1',
        '@a/b-win32-ia32-msvc': '2',
      },
    },
    'node_modules/a/node_modules/@a/b-linux-x64': { version: '1' },
    'node_modules/z': { version: '1', optionalDependencies: { 'z-darwin-arm64': '3' } },
  },
}

it('builds without an entry are found, those in a folder of their own are not missed', () => {
  assert.deepEqual(
    findMissingBuilds(LOCK).map(({ name }) => name),
    ['@a/b-linux-arm-musleabihf', '@a/b-win32-ia32-msvc', 'z-darwin-arm64'],
  )
})

it('the completed lock names the platform of each build', () => {
  const { packages } = completeLock(LOCK)
  assert.deepEqual(findMissingBuilds({ packages }), [])
  assert.deepEqual(packages['node_modules/@a/b-linux-arm-musleabihf'], {
    version: '1',
    os: ['linux'],
    cpu: ['arm'],
    libc: ['musl'],
    dev: true,
    optional: true,
  })
  assert.deepEqual(packages['node_modules/z-darwin-arm64'], {
    version: '3',
    os: ['darwin'],
    cpu: ['arm64'],
    optional: true,
  })
  assert.throws(
    () => completeLock({ packages: { a: { optionalDependencies: { 'a-beos': '1' } } } }),
    /cannot tell/,
  )
})

it('the lock of the project is complete (node tools/lock-file.ts completes it)', () => {
  assert.deepEqual(findMissingBuilds(JSON.parse(readFileSync(LOCK_FILE, 'utf8')) as Lock), [])
})
