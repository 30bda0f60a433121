#!/usr/bin/env node
/**
 * Where every `holdfast` command begins. Plain JavaScript: what is loaded before the cache is there
 * is compiled at every start, and for TypeScript that takes a compiler which holds 50 MiB for as
 * long as the process lives.
 */
import { enableCompileCache } from 'node:module'
import { fileURLToPath } from 'node:url'

// Inside the package, where nobody else can plant code; where that can't be written, nothing is kept.
const directory = fileURLToPath(new URL('../../node_modules/.cache/holdfast', import.meta.url))
enableCompileCache(directory)
// The threads and child processes read it when they begin.
process.env.NODE_COMPILE_CACHE ??= directory
await import('./process.ts')
