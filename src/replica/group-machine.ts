/** A state machine as a group hosts it. */
import type { Machine } from '../base/machine.ts'

// oxlint-disable-next-line typescript/no-explicit-any -- one host runs machines of different command types; see group-host.ts
export type GroupMachine<Command = any, Reply = any> = {
  readonly machine: Machine<Command, Reply>
  /** A command that does nothing but move logical time; null when the machine has none. */
  readonly advanceTime: Command | null
}
