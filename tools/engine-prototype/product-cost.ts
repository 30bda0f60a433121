/**
 * What the product's engine costs the main thread, from byte strings to byte strings, and what the
 * conversion is of that. `node --expose-gc tools/engine-prototype/product-cost.ts`
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import type { EngineOperation } from '../../src/env/engine.ts'
import { createRocksEngineStore } from '../../src/env-node/engine/rocksdb-store.ts'

const ROWS = 200_000
const directory = mkdtempSync(join(tmpdir(), 'product-cost-'))
const engine = await createRocksEngineStore({ directory }).open('g')
const keyOf = (row: number): string => `key-${String((row * 7919) % ROWS).padStart(12, '0')}`
const round = (value: number): number => Math.round(value * 100) / 100
const quantile = (values: number[], part: number): number =>
  round(values.sort((left, right) => left - right)[Math.floor(values.length * part)] ?? 0)

let converted = 0
const begin = performance.now()
for (let row = 0; row < ROWS; row++) converted += Buffer.from(keyOf(row), 'latin1').length
console.log(
  `a key to a Buffer of its own: ${round(((performance.now() - begin) * 1000) / ROWS)} µs (${converted} bytes)`,
)

for (const size of [100, 1000, 4000]) {
  const calls: number[] = []
  const settled: number[] = []
  const before = performance.eventLoopUtilization()
  for (let at = 0; at < ROWS; at += size) {
    const operations: EngineOperation[] = []
    for (let row = at; row < at + size; row++)
      operations.push({ kind: 'put', key: keyOf(row), value: 'x'.repeat(111) + (row % 7) })
    const from = performance.now()
    const written = engine.write(operations)
    calls.push(performance.now() - from)
    await written
    settled.push(performance.now() - from)
  }
  const { active } = performance.eventLoopUtilization(before)
  console.log(
    `write ${size}: call p50 ${quantile(calls, 0.5)} ms (${round((quantile(calls, 0.5) * 1000) / size)} µs per row), ` +
      `p99 ${quantile(calls, 0.99)} ms; settled p50 ${quantile(settled, 0.5)} p99 ${quantile(settled, 0.99)} ms; ` +
      `main thread ${round((active * 1000) / ROWS)} µs per row in all`,
  )
}
const persistFrom = performance.now()
await engine.persist()
console.log(`persist: ${round(performance.now() - persistFrom)} ms`)
for (const size of [10, 100, 500]) {
  const settled: number[] = []
  const before = performance.eventLoopUtilization()
  for (let read = 0; read < 100_000 / size; read++) {
    const keys = Array.from({ length: size }, (_, at) => keyOf(read * 9973 + at * 101))
    const from = performance.now()
    await engine.getMany(keys)
    settled.push(performance.now() - from)
  }
  const { active } = performance.eventLoopUtilization(before)
  console.log(
    `getMany ${size}: p50 ${quantile(settled, 0.5)} p99 ${quantile(settled, 0.99)} ms; main thread ${round((active * 1000) / 100_000)} µs per key`,
  )
}
for (const limit of [10, 100, 1000]) {
  const settled: number[] = []
  const before = performance.eventLoopUtilization()
  for (let read = 0; read < 100_000 / limit; read++) {
    const from = performance.now()
    await engine.range({ from: keyOf(read * 9973), to: 'l', limit })
    settled.push(performance.now() - from)
  }
  const { active } = performance.eventLoopUtilization(before)
  console.log(
    `range of ${limit}: p50 ${quantile(settled, 0.5)} p99 ${quantile(settled, 0.99)} ms; main thread ${round((active * 1000) / 100_000)} µs per row`,
  )
}
const verifyFrom = performance.now()
let bytes = 0
await engine.verify(({ bytesTotal }) => (bytes = bytesTotal))
console.log(`verify: ${round(bytes / 1e6)} MB in ${round(performance.now() - verifyFrom)} ms`)
await engine.close()
const openFrom = performance.now()
await (await createRocksEngineStore({ directory }).open('g')).close()
console.log(`open and close: ${round(performance.now() - openFrom)} ms`)
rmSync(directory, { recursive: true, force: true })
