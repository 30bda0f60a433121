/** The row of a command in a table, or the error that says why there is none for these arguments. */
import assert from 'node:assert/strict'
import type { ByteString } from '../base/bytes.ts'
import { arityFits } from './command-keys.ts'
import type { KvCommandSpec } from './command-spec.ts'
import { unknownCommand, wrongArity } from './errors.ts'
import type { ErrorReply } from './reply.ts'

export function findCommand(
  commands: ReadonlyMap<string, KvCommandSpec>,
  args: readonly ByteString[],
): KvCommandSpec | ErrorReply {
  const name = args[0]
  assert(name !== undefined, 'a command without a name')
  const spec = commands.get(name)
  if (spec === undefined) return unknownCommand(args)
  return arityFits(spec.info, args.length) ? spec : wrongArity(name)
}
