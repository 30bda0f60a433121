/**
 * The key machine: Redis' data model as a replicated state machine (`base/machine.ts`).
 *
 * Pure. What a client can get wrong is an error reply, the same on every replica. What only damage
 * or a bug can bring about fails an assertion and stops the process.
 */
import assert from 'node:assert/strict'
import type { ByteString } from '../base/bytes.ts'
import type {
  Context,
  Done,
  Machine,
  MachineView,
  Need,
  NeedTime,
  QueryContext,
  Walk,
  Write,
} from '../base/machine.ts'
import type { ClientCommand, KvCommand } from './command.ts'
import { decodeCommand, encodeCommand } from './command-codec.ts'
import { commandSlot } from './command-keys.ts'
import { kvCommands } from './command-table.ts'
import { executeTransaction } from './execute-transaction.ts'
import { findCommand } from './find-command.ts'
import { maintain, waitingWork } from './maintenance.ts'
import { partitionOf } from './record-keys.ts'
import type { Reply } from './reply.ts'
import { beginSession, finishSession } from './session.ts'
import { type KvLimits, KvTransaction } from './transaction.ts'

export const KV_MACHINE_VERSION = 1
const VALUE_BYTES_DEFAULT = 64 * 1024 * 1024
/** Redis' own limit. */
const VALUE_BYTES_MAX = 512 * 1024 * 1024

export type KvMachineOptions = {
  /**
   * Longest string value and field value, at most 512 MB. It decides replies, so it must be the same on every
   * replica of a group, and must not change between a command and its replay.
   */
  readonly maxValueBytes?: number
}

const NO_WRITES: readonly Write[] = []

export function createKvMachine(options: KvMachineOptions = {}): Machine<KvCommand, Reply> {
  const limits: KvLimits = { maxValueBytes: options.maxValueBytes ?? VALUE_BYTES_DEFAULT }
  assert(limits.maxValueBytes > 0 && limits.maxValueBytes <= VALUE_BYTES_MAX)
  return {
    version: KV_MACHINE_VERSION,
    partitionOf,
    encode: encodeCommand,
    decode: decodeCommand,
    execute: (view, command, context) => execute(view, command, context, limits),
    query: (view, command, context) => query(view, command, context, limits),
  }
}

function execute(
  view: MachineView,
  command: KvCommand,
  context: Context,
  limits: KvLimits,
): Done<Reply> | Need {
  if (context.machineVersion !== KV_MACHINE_VERSION)
    assert.fail(`machine version ${context.machineVersion} is unknown`)
  const transaction = new KvTransaction(view, context, context.timeMs, limits)
  if (command.kind === 'transaction') return executeTransaction(transaction, view, command, context)
  const reply =
    command.kind === 'client' ? executeClient(transaction, command) : maintain(transaction, command)
  if (transaction.isWaiting) return transaction.need()
  assert(reply !== undefined, 'a command stopped although nothing was missing')
  const writes = transaction.finish()
  if (writes === undefined) return transaction.need()
  return { kind: 'done', reply, writes, clearsData: transaction.clearsData }
}

function executeClient(transaction: KvTransaction, command: ClientCommand): Reply | undefined {
  const spec = findCommand(kvCommands, command.args)
  if ('kind' in spec) return spec
  if (command.session === null) return spec.execute(transaction, command.args)
  const slot = commandSlot(spec.info, command.args)
  const verdict = beginSession(transaction, command.session, slot)
  if (verdict?.kind === 'answer') return verdict.reply
  // Also when the session isn't in memory: what the command needs is then fetched in the same round.
  const reply = spec.execute(transaction, command.args)
  if (reply === undefined || verdict === undefined) return undefined
  finishSession(transaction, verdict.session, reply)
  return reply
}

function query(
  view: MachineView,
  command: KvCommand,
  context: QueryContext,
  limits: KvLimits,
): Done<Reply> | Need | NeedTime | Walk<Reply> {
  assert(command.kind !== 'transaction', 'a transaction is not a query')
  const transaction = new KvTransaction(view, context, context.clockMs, limits, true)
  const reply =
    command.kind === 'client'
      ? queryClient(transaction, command.args)
      : waitingWork(transaction, command, context.clockMs)
  if (transaction.isWaiting) return transaction.need()
  if (transaction.needTimeMs > context.timeMs) return { kind: 'needTime', timeMs: transaction.needTimeMs }
  const walk = transaction.walk()
  if (walk !== null) return walk
  assert(reply !== undefined, 'a query stopped although nothing was missing')
  return { kind: 'done', reply, writes: NO_WRITES, clearsData: false }
}

function queryClient(transaction: KvTransaction, args: readonly ByteString[]): Reply | undefined {
  const spec = findCommand(kvCommands, args)
  if ('kind' in spec) return spec
  assert(spec.info.flags.includes('readonly'), 'a command that writes is not a query')
  return spec.execute(transaction, args)
}
