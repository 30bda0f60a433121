/**
 * Where the source of a worker thread is: beside its owner, with the owner's extension. Sources run
 * as `.ts`, the published build as `.js`, and no compiler rewrites a URL.
 */
import assert from 'node:assert/strict'

/** `owner` is the caller's `import.meta.url`, `name` the worker's file name without extension. */
export function workerUrl(owner: string, name: string): URL {
  const extension = owner.endsWith('.ts') ? '.ts' : '.js'
  assert(owner.endsWith(extension), `not a module of this program: ${owner}`)
  return new URL(`./${name}${extension}`, owner)
}
