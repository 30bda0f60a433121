import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Reply } from '../../kv/reply.ts'
import type { DataRequest, ParsedCommand } from '../../redis/data-request.ts'
import { CommandOrder, type OrderedCommand } from './command-order.ts'

function nameOf(request: DataRequest): string {
  assert.ok(request.kind === 'command')
  return request.args[0] as string
}

class Harness {
  readonly started: string[] = []
  readonly answered: string[] = []
  readonly #open = new Map<string, OrderedCommand>()
  readonly order = new CommandOrder((command) => {
    const name = nameOf(command.request)
    this.started.push(name)
    this.#open.set(name, command)
  })

  send(name: string): void {
    const command = { kind: 'command', info: {}, args: [name] } as unknown as ParsedCommand
    this.order.add(command, name.startsWith('w'), () => this.answered.push(name))
  }

  answer(name: string): void {
    const command = this.#open.get(name)
    assert.ok(command !== undefined, `${name} was not started`)
    command.reply(null)
  }
}

test('commands of one kind run side by side', () => {
  const harness = new Harness()
  for (const name of ['w1', 'w2', 'w3']) harness.send(name)
  assert.deepEqual(harness.started, ['w1', 'w2', 'w3'])
})

test('a read waits for the writes before it, a write for the reads, and nothing overtakes', () => {
  const harness = new Harness()
  for (const name of ['w1', 'w2', 'r1', 'r2', 'w3', 'r3']) harness.send(name)
  assert.deepEqual(harness.started, ['w1', 'w2'])
  harness.answer('w2')
  assert.deepEqual(harness.started, ['w1', 'w2'])
  harness.answer('w1')
  assert.deepEqual(harness.started, ['w1', 'w2', 'r1', 'r2'])
  harness.answer('r1')
  harness.answer('r2')
  assert.deepEqual(harness.started, ['w1', 'w2', 'r1', 'r2', 'w3'])
  harness.answer('w3')
  harness.answer('r3')
  assert.deepEqual(harness.answered, ['w2', 'w1', 'r1', 'r2', 'w3', 'r3'])
})

test('after everything was answered the next command starts at once', () => {
  const harness = new Harness()
  harness.send('w1')
  harness.answer('w1')
  harness.send('r1')
  assert.deepEqual(harness.started, ['w1', 'r1'])
})

test('thousands of held commands that are refused at once do not exhaust the stack', () => {
  const answers: Reply[] = []
  const waiting: OrderedCommand[] = []
  const order = new CommandOrder((command) => {
    if (nameOf(command.request) === 'slow') waiting.push(command)
    else command.fail({ kind: 'overloaded' })
  })
  const add = (name: string, isWrite: boolean): void =>
    order.add({ kind: 'command', info: {}, args: [name] } as unknown as ParsedCommand, isWrite, (reply) =>
      answers.push(reply),
    )
  add('slow', true)
  for (let count = 0; count < 10_000; count++) add('refused', count % 2 === 1)
  assert.equal(answers.length, 0)
  waiting[0]?.reply(null)
  assert.equal(answers.length, 10_001)
})
