import { kvCommands } from '../kv/command-table.ts'
import { createCommandTable } from './command-table.ts'
import { CONNECTION_COMMANDS } from './connection-commands.ts'

/** For gateways among themselves: a client that called them would see one group's part of the whole. */
const NOT_FOR_CLIENTS: ReadonlySet<string> = new Set([
  'holdfast.revisions',
  'holdfast.scan',
  'holdfast.watch',
])

/** `container|subcommand` stands in its container. */
function isForClients(name: string): boolean {
  return !NOT_FOR_CLIENTS.has(name) && !name.includes('|')
}

/** Every command a Redis client can call here. */
export const REDIS_COMMANDS = createCommandTable(
  [...kvCommands.values()].map((spec) => spec.info).filter(({ name }) => isForClients(name)),
  CONNECTION_COMMANDS,
)
