/**
 * MULTI … EXEC as one command of the log: the watched keys are compared, then the commands run one
 * after the other, each on what those before it wrote. Either all of their writes become the
 * state, or none (docs/design/0006-watch.md).
 *
 * A command that lacks something does not stop those behind it: they run as if it had done nothing,
 * only so that what they lack is fetched in the same round. What they answered counts for nothing,
 * because everything runs again. So a transaction takes about as many rounds as its hardest command.
 */
import assert from 'node:assert/strict'
import type { ByteString } from '../base/bytes.ts'
import type { Context, Done, KeyRange, MachineView, Need } from '../base/machine.ts'
import type { TransactionCommand, WatchedKey } from './command.ts'
import { transactionSlot } from './command-keys.ts'
import { kvCommands } from './command-table.ts'
import { findCommand } from './find-command.ts'
import { error, NIL_ARRAY, type Reply } from './reply.ts'
import { replyBytes } from './reply-size.ts'
import { beginSession, finishSession } from './session.ts'
import { StagedView } from './staged-view.ts'
import { KvTransaction } from './transaction.ts'

/** All replies of one transaction: they are kept for repeats, and travel in one message. */
export const TRANSACTION_REPLY_BYTES_MAX = 128 * 1024 * 1024

const REPLY_TOO_LARGE = error(
  `ERR the replies of the transaction exceed ${TRANSACTION_REPLY_BYTES_MAX} bytes, nothing was executed: ` +
    'read less in one transaction',
)

/** `outer` is for what stands around the commands: session and watched keys. */
export function executeTransaction(
  outer: KvTransaction,
  view: MachineView,
  command: TransactionCommand,
  context: Context,
): Done<Reply> | Need {
  const { watches, commands, session } = command
  const slot = transactionSlot(watches, commands, (name) => kvCommands.get(name)?.info)
  const verdict = session === null ? null : beginSession(outer, session, slot)
  if (verdict?.kind === 'answer') return finish(outer, verdict.reply, null)
  const isUntouched = areUntouched(outer, watches)
  const run = isUntouched === false ? null : runCommands(view, commands, context, outer)
  if (outer.isWaiting || (run !== null && run.kind === 'need')) {
    return joinNeeds(outer.isWaiting ? outer.need() : null, run?.kind === 'need' ? run : null)
  }
  assert(verdict !== undefined && isUntouched !== undefined)
  const isTooLarge = run !== null && replyBytes(run.replies) > TRANSACTION_REPLY_BYTES_MAX
  const reply = run === null ? NIL_ARRAY : isTooLarge ? REPLY_TOO_LARGE : run.replies
  if (verdict !== null) finishSession(outer, verdict.session, reply)
  return finish(outer, reply, isTooLarge ? null : (run?.staged ?? null))
}

function finish(outer: KvTransaction, reply: Reply, staged: StagedView | null): Done<Reply> | Need {
  const around = outer.finish()
  if (around === undefined) return outer.need()
  return {
    kind: 'done',
    reply,
    writes: staged === null ? around : [...staged.writes, ...around],
    clearsData: staged?.clearsData ?? false,
  }
}

/** Undefined when that isn't known in memory. */
function areUntouched(outer: KvTransaction, watches: readonly WatchedKey[]): boolean | undefined {
  const entries = outer.openAll(watches.map(({ key }) => key))
  return entries?.every((entry, at) => {
    const isGone = entry.stored !== null && entry.live === null
    return !isGone && entry.revision === (watches[at] as WatchedKey).revision
  })
}

type Run = { readonly kind: 'done'; readonly replies: readonly Reply[]; readonly staged: StagedView } | Need

function runCommands(
  view: MachineView,
  commands: readonly (readonly ByteString[])[],
  context: Context,
  outer: KvTransaction,
): Run {
  const staged = new StagedView(view)
  const last = outer.lastRevision()
  if (last !== undefined) staged.beginVersionsAfter(last)
  const replies: Reply[] = []
  const needs = new Needs(staged)
  for (const [ordinal, args] of commands.entries()) {
    const spec = findCommand(kvCommands, args)
    if ('kind' in spec) {
      replies.push(spec)
      continue
    }
    const stepContext = { ...context, seed: stepSeed(context.seed, ordinal) }
    const step = new KvTransaction(staged, stepContext, context.timeMs, outer.limits)
    const reply = spec.execute(step, args)
    const writes = step.isWaiting ? undefined : step.finish()
    if (step.isWaiting || writes === undefined) needs.add(step.need())
    else {
      assert(reply !== undefined, 'a command stopped although nothing was missing')
      staged.stage(writes, step.clearsData)
      replies.push(reply)
    }
  }
  return needs.isEmpty ? { kind: 'done', replies, staged } : needs.need()
}

/** What all commands of one round lack, each thing once. */
class Needs {
  readonly #staged: StagedView
  readonly #keys = new Set<ByteString>()
  readonly #ranges = new Map<string, KeyRange>()

  constructor(staged: StagedView) {
    this.#staged = staged
  }

  get isEmpty(): boolean {
    return this.#keys.size + this.#ranges.size === 0
  }

  add(need: Need): void {
    for (const key of need.keys) this.#keys.add(key)
    for (const asked of need.ranges) {
      const range = this.#staged.belowRange(asked)
      this.#ranges.set(JSON.stringify(range), range)
    }
  }

  need(): Need {
    return { kind: 'need', keys: [...this.#keys], ranges: [...this.#ranges.values()] }
  }
}

function joinNeeds(left: Need | null, right: Need | null): Need {
  const keys = new Set([...(left?.keys ?? []), ...(right?.keys ?? [])])
  return { kind: 'need', keys: [...keys], ranges: [...(left?.ranges ?? []), ...(right?.ranges ?? [])] }
}

/** Two commands of one transaction draw different numbers. */
function stepSeed(seed: number, ordinal: number): number {
  const mixed = Math.imul((seed ^ Math.imul(ordinal + 1, 0x9e37_79b1)) >>> 0, 0x85eb_ca6b)
  return (mixed ^ (mixed >>> 15)) >>> 0
}
