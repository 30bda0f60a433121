/**
 * Replays scripts whose replies were recorded from a real redis-server, byte for byte.
 * A line is a command, the indented line below it the reply.
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { createKvClient, parseWords, showReply } from '../../test/kv-client.ts'
import { kvCommands } from './command-table.ts'

const FOLDER = new URL('../../test/scripts/kv/', import.meta.url)
const scripts = readdirSync(FOLDER).filter((name) => name.endsWith('.txt'))

type Step = { readonly line: number; readonly command: string; readonly reply: string }

function readScript(name: string): readonly Step[] {
  const lines = readFileSync(new URL(name, FOLDER), 'utf8').split('\n')
  const steps: Step[] = []
  for (const [index, line] of lines.entries()) {
    if (line === '' || line.startsWith('#') || line.startsWith('  ')) continue
    const reply = lines[index + 1] ?? ''
    assert(reply.startsWith('  '), `${name}:${index + 1} has no reply`)
    steps.push({ line: index + 1, command: line, reply: reply.slice(2) })
  }
  return steps
}

/** A subcommand is one word for the machine: `object|encoding OBJECT … `. */
function wordsOf(step: Step): readonly string[] {
  const words = parseWords(step.command)
  const joined = `${words[0]}|${words[1]}`
  return kvCommands.has(joined) ? [joined, ...words.slice(1)] : words
}

for (const name of scripts) {
  for (const isCold of [false, true]) {
    test(`${name}, records ${isCold ? 'fetched on demand' : 'in memory'}`, () => {
      const client = createKvClient({ isCold })
      const steps = readScript(name)
      assert(steps.length > 50)
      for (const step of steps) {
        const reply = showReply(client.call(...wordsOf(step)))
        assert.equal(reply, step.reply, `${name}:${step.line} ${step.command}`)
      }
    })
  }
}

test('the scripts use every command of Redis that is in the table', () => {
  const used = new Set(scripts.flatMap(readScript).map((step) => wordsOf(step)[0]))
  const missing = [...kvCommands.keys()].filter((name) => !used.has(name) && !name.startsWith('holdfast.'))
  assert.deepEqual(missing, [])
})
