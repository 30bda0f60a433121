/** The library with which a process remembers what it has not synced. */
import { fileURLToPath } from 'node:url'
import { compileC, compilerMissing } from '../compile-c.ts'

const SOURCE = fileURLToPath(new URL('shim.c', import.meta.url))

/** Why there can be no power cuts here; null when there can. */
export async function powerCutsMissing(): Promise<string | null> {
  return process.platform === 'linux' ? compilerMissing() : 'power cuts need Linux'
}

export function buildShim(): Promise<string> {
  return compileC(SOURCE, 'library')
}
