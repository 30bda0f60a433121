/** The version of this program, from the package it belongs to. */
import { readFileSync } from 'node:fs'

/** package.json stands beside both `src` and `dist`. */
export function readVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}
