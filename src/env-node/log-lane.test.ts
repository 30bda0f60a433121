import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { test } from 'node:test'
import { DiskFault } from '../env/disk.ts'
import { createLogLane } from './log-lane.ts'

test('when its thread dies, every trip on its way and every later one fails', async () => {
  const lane = createLogLane()
  const job = { path: 'log', chunks: [Buffer.from('x')], offset: 0, syncs: true }
  // No descriptor at all: a mistake of the program, which the thread does not survive.
  const impossible = 2 ** 40
  const results = await Promise.allSettled([
    lane.run({ ...job, descriptor: impossible }),
    lane.run({ ...job, descriptor: impossible, chunks: [] }),
  ])
  results.push(...(await Promise.allSettled([lane.run({ ...job, descriptor: 2 })])))
  for (const result of results) {
    assert(result.status === 'rejected' && result.reason instanceof DiskFault)
    assert.equal(result.reason.errno, 'EIO')
    assert(result.reason.cause instanceof Error)
  }
  await lane.close()
})

test('a descriptor that is not open is an answer, and the lane goes on', async () => {
  const lane = createLogLane()
  const job = { path: 'log', chunks: [Buffer.from('x')], offset: 0, syncs: false, descriptor: 900_000 }
  for (let round = 0; round < 3; round++) {
    await assert.rejects(lane.run(job), (error) => error instanceof DiskFault && error.errno === 'EBADF')
  }
  await assert.rejects(
    lane.run({ ...job, chunks: [], syncs: true }),
    (error) => error instanceof DiskFault && error.operation === 'datasync' && error.errno === 'EBADF',
  )
  await lane.close()
})
