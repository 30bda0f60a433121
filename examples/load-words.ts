/**
 * Loads a real data set, the words of the English language, through two client libraries, and
 * reads all of it back.
 *
 *   node examples/load-words.ts [--host 127.0.0.1] [--port 6379] [--verify-only]
 *
 * Word n becomes the key `word:<n>`; every second one goes through ioredis, the others through
 * node-redis, in pipelines. Start Holdfast first (`npm start`). Load, kill -9 the server, start it
 * again, and run with --verify-only: every word that was loaded is there.
 */
import assert from 'node:assert/strict'
import { parseArgs } from 'node:util'
import words from 'an-array-of-english-words' with { type: 'json' }
import { Redis } from 'ioredis'
import { createClient } from 'redis'

export type Server = { readonly host: string; readonly port: number }
export type Report = (line: string) => void

/** Commands on their way at once, per library. */
const PIPELINE = 1_000
const PROGRESS_EVERY = 50_000

/** Sets or gets a batch in one round trip. */
type Library = {
  readonly name: string
  set(pairs: readonly (readonly [string, string])[]): Promise<void>
  get(keys: readonly string[]): Promise<readonly (string | null)[]>
  close(): void
}

export const wordCount: number = words.length

/** Loads all words; resolves when each was acknowledged. */
export function loadWords(server: Server, report: Report): Promise<void> {
  return withLibraries(server, async (libraries) => {
    const progress = makeProgress('loaded', report)
    await Promise.all(
      libraries.map(async (library, which) => {
        for (const numbers of batches(which, libraries.length)) {
          await library.set(numbers.map((number) => [keyOf(number), wordAt(number)] as const))
          progress(numbers.length)
        }
      }),
    )
  })
}

/** Reads all words back, each through the library that did not write it, and compares; throws at the first difference. */
export function verifyWords(server: Server, report: Report): Promise<void> {
  return withLibraries(server, async (libraries) => {
    const progress = makeProgress('compared', report)
    await Promise.all(
      libraries.map(async (library, which) => {
        for (const numbers of batches(libraries.length - 1 - which, libraries.length)) {
          const found = await library.get(numbers.map(keyOf))
          assert.equal(found.length, numbers.length)
          numbers.forEach((number, at) => {
            assert.equal(found[at], wordAt(number), `${keyOf(number)}, read with ${library.name}`)
          })
          progress(numbers.length)
        }
      }),
    )
  })
}

async function withLibraries(server: Server, run: (libraries: readonly Library[]) => Promise<void>): Promise<void> {
  const libraries = [await openIoredis(server), await openNodeRedis(server)]
  try {
    await run(libraries)
  } finally {
    for (const library of libraries) library.close()
  }
}

async function openIoredis(server: Server): Promise<Library> {
  const client = new Redis({ ...server, lazyConnect: true })
  await client.connect()
  return {
    name: 'ioredis',
    set: async (pairs) => {
      const pipeline = client.pipeline()
      for (const [key, value] of pairs) pipeline.set(key, value)
      for (const [error] of (await pipeline.exec()) ?? []) if (error !== null) throw error
    },
    get: async (keys) => {
      const pipeline = client.pipeline()
      for (const key of keys) pipeline.get(key)
      const results = (await pipeline.exec()) ?? []
      return results.map(([error, value]) => {
        if (error !== null) throw error
        return value as string | null
      })
    },
    close: () => client.disconnect(),
  }
}

async function openNodeRedis(server: Server): Promise<Library> {
  const client = createClient({ socket: { ...server } })
  client.on('error', (error: unknown) => console.error(`node-redis: ${String(error)}`))
  await client.connect()
  // Commands of one turn travel together.
  return {
    name: 'node-redis',
    set: async (pairs) => {
      await Promise.all(pairs.map(([key, value]) => client.set(key, value)))
    },
    get: (keys) => Promise.all(keys.map((key) => client.get(key))),
    close: () => client.destroy(),
  }
}

/** Numbers `first`, `first + step`, …, in batches. */
function* batches(first: number, step: number): Iterable<readonly number[]> {
  for (let from = first; from < words.length; from += step * PIPELINE) {
    const batch: number[] = []
    for (let number = from; number < words.length && batch.length < PIPELINE; number += step) batch.push(number)
    yield batch
  }
}

function makeProgress(verb: string, report: Report): (count: number) => void {
  const startedMs = performance.now()
  let done = 0
  return (count) => {
    const before = done
    done += count
    const isStep = Math.floor(before / PROGRESS_EVERY) < Math.floor(done / PROGRESS_EVERY)
    if (!isStep && done < words.length) return
    const perSecond = Math.round((done / (performance.now() - startedMs)) * 1_000)
    report(`${verb} ${done} of ${words.length} words, ${perSecond}/s`)
  }
}

function keyOf(number: number): string {
  return `word:${number}`
}

function wordAt(number: number): string {
  const word = words[number]
  assert(word !== undefined, `there is no word ${number}`)
  return word
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      host: { type: 'string', default: '127.0.0.1' },
      port: { type: 'string', default: '6379' },
      'verify-only': { type: 'boolean', default: false },
    },
  })
  const server = { host: values.host, port: Number(values.port) }
  if (!values['verify-only']) await loadWords(server, console.log)
  await verifyWords(server, console.log)
  console.log('every word is there')
}
