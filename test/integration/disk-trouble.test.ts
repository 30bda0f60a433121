/** A real process on a disk that refuses says so in the words of its errors, and serves when it does not. */
import assert from 'node:assert/strict'
import { realpathSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { prepareNodeDisk } from '../nemesis/disk/node-disk-faults.ts'
import { powerCutsMissing } from '../nemesis/power-cut/build-shim.ts'
import { ANY_PORTS, startHoldfast, temporaryDirectory } from './holdfast-process.ts'

const skip = (await powerCutsMissing()) ?? false

test('a start on a full disk is refused with its reason, and succeeds once there is room', {
  skip,
}, async (t) => {
  const place = join(realpathSync(await temporaryDirectory(t)), 'n1')
  const disk = await prepareNodeDisk(place, { isSmall: false, syncsNothing: false })
  t.after(() => disk.remove())
  const words = ['start', ...ANY_PORTS, '--data-dir', disk.directory]
  disk.fail({ write: 'ENOSPC' })
  const refused = startHoldfast(t, words, { environment: disk.environment })
  assert.deepEqual(await refused.exited, { code: 1, signal: null })
  assert.match(refused.err(), /^holdfast: can't start: 2002 diskFull: /m)
  assert.ok(disk.troubled > 0)
  disk.fail({})
  const started = startHoldfast(t, words, { environment: disk.environment })
  await started.waitForOutput(/ is serving: /)
})
