/**
 * What commands cost: INFO's commandstats and errorstats, operations per second, and the slow log.
 * Bounded: a line per command of the table, a few error prefixes, the newest slow commands.
 *
 * The time of a command is from when it was read until it was answered, as its client sees it: for a
 * write that includes the log and the peers.
 */
import assert from 'node:assert/strict'
import type { ByteString } from '../base/bytes.ts'
import type { CommandInfo } from '../kv/command-info.ts'
import { isError, type Reply } from '../kv/reply.ts'

export type CommandCount = { calls: number; durationMs: number; failures: number }

export type SlowCommand = {
  /** Counts up for the life of the process. */
  readonly id: number
  readonly wallMs: number
  readonly durationMs: number
  readonly args: readonly ByteString[]
  readonly clientAddress: string
  readonly clientName: ByteString
}

export type SlowLogSettings = {
  /** Microseconds; negative: nothing is slow. */
  readonly slowerThanUs: number
  readonly entriesMax: number
}

/** Longer commands are cut, as Redis cuts them. */
const SLOW_ARGUMENTS_MAX = 32
const SLOW_ARGUMENT_BYTES_MAX = 128
const ERROR_PREFIXES_MAX = 128
const SECOND_MS = 1_000
/** They may carry passwords. */
const SECRET_COMMANDS: ReadonlySet<string> = new Set(['auth', 'config|set', 'hello'])

export type ExecutedCommand = { readonly info: CommandInfo; readonly args: readonly ByteString[] }

type Client = { readonly remoteAddress: string; readonly name: ByteString }

export class CommandStatistics {
  readonly #settings: () => SlowLogSettings
  readonly #wallMs: () => number
  readonly #commands = new Map<string, CommandCount>()
  readonly #errors = new Map<string, number>()
  /** The newest last, and more than are shown: on a busy node every command may be a slow one. */
  #slow: SlowCommand[] = []
  #lastSlowId = -1
  #secondStartMs = 0
  #countInSecond = 0
  #countInLastSecond = 0

  constructor(settings: () => SlowLogSettings, wallMs: () => number) {
    this.#settings = settings
    this.#wallMs = wallMs
  }

  record(
    { info, args }: ExecutedCommand,
    reply: Reply,
    startedMs: number,
    endedMs: number,
    client: Client,
  ): void {
    const durationMs = Math.max(0, endedMs - startedMs)
    let count = this.#commands.get(info.name)
    if (count === undefined) {
      count = { calls: 0, durationMs: 0, failures: 0 }
      this.#commands.set(info.name, count)
    }
    count.calls += 1
    count.durationMs += durationMs
    if (isError(reply)) count.failures += 1
    this.#tick(endedMs)
    this.#countInSecond += 1
    const { slowerThanUs } = this.#settings()
    if (slowerThanUs < 0 || durationMs * 1000 < slowerThanUs) return
    if (!info.flags.includes('skip_slowlog')) this.#addSlow(info, args, durationMs, client)
  }

  recordError(text: string): void {
    const prefix = /^[A-Z]+/.exec(text)?.[0] ?? 'ERR'
    const known = this.#errors.get(prefix)
    if (known !== undefined || this.#errors.size < ERROR_PREFIXES_MAX) {
      this.#errors.set(prefix, (known ?? 0) + 1)
    }
  }

  /** By name, in order. */
  get commands(): readonly (readonly [name: string, count: Readonly<CommandCount>])[] {
    return [...this.#commands].sort(byName)
  }

  get errors(): readonly (readonly [prefix: string, count: number])[] {
    return [...this.#errors].sort(byName)
  }

  /** The newest first. */
  get slow(): readonly SlowCommand[] {
    return newest(this.#slow, this.#settings().entriesMax).reverse()
  }

  /** Of the last whole second. */
  operationsPerSecond(nowMs: number): number {
    this.#tick(nowMs)
    return this.#countInLastSecond
  }

  resetCounts(): void {
    this.#commands.clear()
    this.#errors.clear()
  }

  resetSlow(): void {
    this.#slow = []
  }

  #tick(nowMs: number): void {
    const passedMs = nowMs - this.#secondStartMs
    if (passedMs < SECOND_MS) return
    this.#countInLastSecond = passedMs < 2 * SECOND_MS ? this.#countInSecond : 0
    this.#countInSecond = 0
    this.#secondStartMs = nowMs - (passedMs % SECOND_MS)
  }

  #addSlow(info: CommandInfo, args: readonly ByteString[], durationMs: number, client: Client): void {
    const { entriesMax } = this.#settings()
    assert(entriesMax >= 0)
    this.#lastSlowId += 1
    this.#slow.push({
      id: this.#lastSlowId,
      wallMs: this.#wallMs(),
      durationMs,
      args: SECRET_COMMANDS.has(info.name) ? [args[0] as ByteString, '(redacted)'] : shorten(args),
      clientAddress: client.remoteAddress,
      clientName: client.name,
    })
    if (this.#slow.length >= 2 * entriesMax + 1) this.#slow = newest(this.#slow, entriesMax)
  }
}

function newest(commands: readonly SlowCommand[], count: number): SlowCommand[] {
  return commands.slice(Math.max(0, commands.length - count))
}

function byName(one: readonly [string, unknown], other: readonly [string, unknown]): number {
  return one[0] < other[0] ? -1 : 1
}

function shorten(args: readonly ByteString[]): readonly ByteString[] {
  const isLong = args.length > SLOW_ARGUMENTS_MAX
  const shown = (isLong ? args.slice(0, SLOW_ARGUMENTS_MAX - 1) : args).map((argument) => {
    const more = argument.length - SLOW_ARGUMENT_BYTES_MAX
    // A copy: a slice would keep what it was cut from.
    return more <= 0 ? argument : `${argument.slice(0, SLOW_ARGUMENT_BYTES_MAX)}... (${more} more bytes)`
  })
  if (isLong) shown.push(`... (${args.length - SLOW_ARGUMENTS_MAX + 1} more arguments)`)
  return shown
}
