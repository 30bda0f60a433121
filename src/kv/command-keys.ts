/** Which arguments of a command are keys; for routing, sessions and COMMAND GETKEYS. */
import type { ByteString } from '../base/bytes.ts'
import type { CommandInfo } from './command-info.ts'
import { slotOf } from './slot.ts'

/** Empty when the command takes no keys. `args` fit the arity. */
export function commandKeys(info: CommandInfo, args: readonly ByteString[]): readonly ByteString[] {
  if (info.keys === null) return []
  const { first, last, step } = info.keys
  const end = last < 0 ? args.length + last : last
  const keys: ByteString[] = []
  for (let index = first; index <= end && index < args.length; index += step)
    keys.push(args[index] as ByteString)
  return keys
}

export function arityFits(info: CommandInfo, argumentCount: number): boolean {
  return info.arity < 0 ? argumentCount >= -info.arity : argumentCount === info.arity
}

/** The slot a command belongs to: that of its first key; 0 when it takes none. */
export function commandSlot(info: CommandInfo, args: readonly ByteString[]): number {
  const first = info.keys === null ? undefined : args[info.keys.first]
  return first === undefined ? 0 : slotOf(first)
}

/** The slot that a transaction's session belongs to: that of the first key it names, watched keys first. */
export function transactionSlot(
  watches: readonly { readonly key: ByteString }[],
  commands: readonly (readonly ByteString[])[],
  infoOf: (name: ByteString) => CommandInfo | undefined,
): number {
  const watched = watches[0]
  if (watched !== undefined) return slotOf(watched.key)
  for (const args of commands) {
    const keys = infoOf(args[0] as ByteString)?.keys ?? null
    const first = keys === null ? undefined : args[keys.first]
    if (first !== undefined) return slotOf(first)
  }
  return 0
}
