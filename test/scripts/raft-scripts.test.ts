/**
 * Golden scripts of the consensus core: `raft/*.txt` tell a story each (verbs in raft-world.ts).
 * A line that begins with `> ` is a command, the indented lines below it are what it must do, all
 * else is prose. `REWRITE=1` writes what the code does now into the scripts: read the difference.
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { RaftWorld } from './raft-world.ts'

const FOLDER = new URL('./raft/', import.meta.url)
const scripts = readdirSync(FOLDER).filter((name) => name.endsWith('.txt'))

test('there are scripts', () => assert(scripts.length >= 15))

for (const name of scripts.sort()) {
  test(`raft script ${name}`, () => {
    const url = new URL(name, FOLDER)
    const expected = readFileSync(url, 'utf8')
    const actual = play(expected)
    if (process.env['REWRITE'] === '1') writeFileSync(url, actual)
    else assert.equal(actual, expected)
  })
}

function play(script: string): string {
  const world = new RaftWorld()
  const lines: string[] = []
  for (const line of script.split('\n')) {
    if (line.startsWith('  ')) continue
    lines.push(line)
    if (!line.startsWith('> ')) continue
    for (const said of runCommand(world, line.slice(2))) lines.push(`  ${said}`)
  }
  return lines.join('\n')
}

function runCommand(world: RaftWorld, command: string): readonly string[] {
  try {
    return world.run(command)
  } catch (error) {
    throw new Error(`"${command}": ${(error as Error).message}`, { cause: error })
  }
}
