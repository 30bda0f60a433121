/**
 * The key machine behind the Redis protocol on a real socket, without log, engine or replicas: what
 * the commands answer is under test here, not what survives.
 */
import { type AddressInfo, createServer, type Socket } from 'node:net'
import type { Done, NeedTime } from '../../src/base/machine.ts'
import type { KvCommand } from '../../src/kv/command.ts'
import { createKvMachine } from '../../src/kv/machine.ts'
import type { Reply } from '../../src/kv/reply.ts'
import type { ParsedCommand, ParsedTransaction } from '../../src/redis/data-request.ts'
import { REDIS_COMMANDS } from '../../src/redis/redis-commands.ts'
import { createMachineHost } from '../machine-host.ts'
import { connectLoosely, createLooseServer } from './loose-connection.ts'
import type { RunningServer } from './redis-server.ts'

const EXPIRE_LIMIT = 1000

export async function startMachineEndpoint(): Promise<RunningServer> {
  const machine = createKvMachine()
  const host = createMachineHost(machine)
  let timeMs = 0
  let seed = 1

  const nextContext = () => {
    timeMs = Math.max(timeMs, Date.now())
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0
    return { timeMs, seed, machineVersion: machine.version }
  }
  const query = (command: KvCommand): Done<Reply> | NeedTime =>
    host.query(command, { timeMs, seed, machineVersion: machine.version, clockMs: Date.now() })

  // As a leader would: reads at the applied state, unless time has to move first.
  const transact = (request: ParsedTransaction, respond: (reply: Reply) => void): void => {
    const { kind, watches } = request
    const commands = request.commands.map(({ args }) => args)
    respond(host.execute({ kind, watches, commands, session: null }, nextContext()).reply)
  }
  const execute = ({ info, args }: ParsedCommand, respond: (reply: Reply) => void): void => {
    const command: KvCommand = { kind: 'client', args, session: null }
    if (!info.flags.includes('readonly')) {
      respond(host.execute(command, nextContext()).reply)
      return
    }
    let outcome = query(command)
    while (outcome.kind === 'needTime') {
      host.execute({ kind: 'advanceTime' }, nextContext())
      outcome = query(command)
    }
    respond(outcome.reply)
  }

  const facts = createLooseServer(REDIS_COMMANDS)
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    const client = connectLoosely(facts, execute, { transact })
    socket.on('data', (chunk: Buffer) => {
      client.connection.receive(chunk)
      do client.endTurn()
      while (client.isWaiting)
      host.execute({ kind: 'expireDue', limit: EXPIRE_LIMIT }, nextContext())
      const output = client.take()
      if (output !== '') socket.write(output, 'latin1')
      if (client.events.includes('end')) socket.end()
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      sockets.delete(socket)
      client.connection.closed()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    endpoint: { host: '127.0.0.1', port },
    stop: async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}
