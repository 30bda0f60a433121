/**
 * The last look: every key that a client was promised something about holds it, read through every
 * node. Says what is missing, in words.
 */
import assert from 'node:assert/strict'
import type { Endpoint } from './node-process.ts'
import type { NumberedClient } from './numbered-client.ts'
import type { Connect, ReplyValue, TestConnection } from './resp-connection.ts'

const KEYS_PER_READ = 500
/** More of the same help nobody. */
const FINDINGS_MAX = 50

export type Findings = {
  readonly keysRead: number
  readonly lost: readonly string[]
  readonly doubled: readonly string[]
}

export async function checkAll(
  clients: readonly NumberedClient[],
  endpoints: readonly Endpoint[],
  connect: Connect,
): Promise<Findings> {
  const lost: string[] = []
  const doubled: string[] = []
  let keysRead = 0
  for (const endpoint of endpoints) {
    const connection = await connect(endpoint)
    for (const client of clients) {
      keysRead += await checkSets(connection, client, lost)
      checkCounter(client, await connection.call('GET', client.counterKey), lost, doubled)
    }
    connection.close()
  }
  return { keysRead, lost: lost.slice(0, FINDINGS_MAX), doubled: doubled.slice(0, FINDINGS_MAX) }
}

async function checkSets(
  connection: TestConnection,
  client: NumberedClient,
  lost: string[],
): Promise<number> {
  const keys = [...client.expected.keys()]
  for (let from = 0; from < keys.length; from += KEYS_PER_READ) {
    const some = keys.slice(from, from + KEYS_PER_READ)
    const values = (await connection.call('MGET', ...some)) as readonly ReplyValue[]
    assert.equal(values.length, some.length)
    some.forEach((key, at) => {
      const expected = client.expected.get(key)
      assert(expected !== undefined)
      const value = values[at] as string | null
      if (value === expected.acknowledged || (expected.unknown !== null && value === expected.unknown)) return
      lost.push(`${key}: ${shorten(expected.acknowledged)} was acknowledged, ${shorten(value)} is there`)
    })
  }
  return keys.length
}

function checkCounter(client: NumberedClient, reply: ReplyValue, lost: string[], doubled: string[]): void {
  const { acknowledged, unknown } = client.increments
  const value = Number(reply ?? 0)
  if (value < acknowledged)
    lost.push(`${client.counterKey}: ${acknowledged} were acknowledged, it is ${value}`)
  if (value > acknowledged + unknown)
    doubled.push(`${client.counterKey}: ${acknowledged} acknowledged and ${unknown} unknown, it is ${value}`)
}

function shorten(value: string | null): string {
  return value === null ? 'nothing' : (value.split(':')[0] ?? value)
}
