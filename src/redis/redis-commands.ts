import { kvCommands } from '../kv/command-table.ts'
import { createCommandTable } from './command-table.ts'
import { CONNECTION_COMMANDS } from './connection-commands.ts'

/** Every command a Redis client can call here. */
export const REDIS_COMMANDS = createCommandTable(
  [...kvCommands.values()].map((spec) => spec.info),
  CONNECTION_COMMANDS,
)
