/**
 * The parameters that CONFIG GET and SET know.
 *
 * Some can be changed at run time; the rest state, in Redis' words, what this server is, because
 * clients and tools ask for them (redis-benchmark: `save`, `appendonly`). A parameter that would
 * have no effect is not listed. Changes last until the process ends.
 */
import assert from 'node:assert/strict'
import type { ByteString } from '../base/bytes.ts'
import { parseInteger } from '../kv/integers.ts'
import type { SlowLogSettings } from './command-statistics.ts'
import { lowerCase } from './lower-case.ts'
import { MAX_BULK_BYTES, type ParserLimits } from './resp-parser.ts'

/** What the parts of the server read; each is changed only through `set`. */
export interface RedisConfiguration extends ParserLimits {
  /** Empty: none needed. */
  readonly password: ByteString
  readonly maxClients: number
  /** Close clients that were silent for so long; 0: never. */
  readonly idleTimeoutSeconds: number
  readonly slowLog: SlowLogSettings
  readonly isClustered: boolean
  /** Names in lower case, in order. */
  readonly names: readonly string[]
  /** The value as CONFIG GET shows it; null when there is no such parameter. */
  get(name: string): ByteString | null
  /** Names in any case. Sets all of them, or none. The fault says which one is wrong, and why. */
  set(changes: readonly (readonly [name: string, value: ByteString])[]): ConfigurationFault | null
}

export type ConfigurationFault =
  | { readonly kind: 'unknown'; readonly name: string }
  | { readonly kind: 'refused'; readonly name: string; readonly reason: string }

export type RedisConfigurationSetup = {
  readonly host: string
  /** Read when asked for: it may be chosen by the system only when the listener opens. */
  readonly port: () => number
  readonly dataDirectory: string
  readonly password: ByteString
  readonly maxClients?: number
  readonly isClustered?: boolean
}

export const MAX_CLIENTS = 10_000
const MAX_CLIENTS_LIMIT = 65_536
const MIN_BULK_BYTES = 1024 * 1024
const MAX_IDLE_TIMEOUT_SECONDS = 2_147_483_647

/** As in Redis. */
const SLOWER_THAN_US = 10_000
const SLOW_ENTRIES = 128
const SLOW_ENTRIES_MAX = 10_000

type Values = {
  password: ByteString
  maxClients: number
  idleTimeoutSeconds: number
  maxBulkBytes: number
  slowLog: SlowLogSettings
}

/** Returns the change, or why there is none. */
type Parse = (value: ByteString, values: Values) => Partial<Values> | string
/** Parameters without `parse` can't be changed. */
type Parameter = { readonly show: (values: Values) => ByteString; readonly parse?: Parse }

class Configuration implements RedisConfiguration {
  readonly #parameters: ReadonlyMap<string, Parameter>
  readonly names: readonly string[]
  readonly isClustered: boolean
  #values: Values

  constructor(setup: RedisConfigurationSetup) {
    this.#parameters = parameterTable(setup)
    this.names = [...this.#parameters.keys()].sort()
    this.isClustered = setup.isClustered ?? false
    this.#values = {
      password: setup.password,
      maxClients: setup.maxClients ?? MAX_CLIENTS,
      idleTimeoutSeconds: 0,
      maxBulkBytes: MAX_BULK_BYTES,
      slowLog: { slowerThanUs: SLOWER_THAN_US, entriesMax: SLOW_ENTRIES },
    }
    assert(this.#values.maxClients >= 1 && this.#values.maxClients <= MAX_CLIENTS_LIMIT)
  }

  get password(): ByteString {
    return this.#values.password
  }

  get maxClients(): number {
    return this.#values.maxClients
  }

  get idleTimeoutSeconds(): number {
    return this.#values.idleTimeoutSeconds
  }

  get maxBulkBytes(): number {
    return this.#values.maxBulkBytes
  }

  get slowLog(): SlowLogSettings {
    return this.#values.slowLog
  }

  get(name: string): ByteString | null {
    return this.#parameters.get(name)?.show(this.#values) ?? null
  }

  set(changes: readonly (readonly [name: string, value: ByteString])[]): ConfigurationFault | null {
    const seen = new Map<string, { readonly parse: Parse; readonly value: ByteString }>()
    for (const [sentName, value] of changes) {
      const name = lowerCase(sentName)
      const parameter = this.#parameters.get(name)
      if (parameter === undefined) return { kind: 'unknown', name: sentName }
      if (parameter.parse === undefined)
        return { kind: 'refused', name, reason: "can't set immutable config" }
      if (seen.has(name)) return { kind: 'refused', name, reason: 'duplicate parameter' }
      seen.set(name, { parse: parameter.parse, value })
    }
    let values = this.#values
    for (const [name, { parse, value }] of seen) {
      const change = parse(value, values)
      if (typeof change === 'string') return { kind: 'refused', name, reason: change }
      values = { ...values, ...change }
    }
    this.#values = values
    return null
  }
}

export function createRedisConfiguration(setup: RedisConfigurationSetup): RedisConfiguration {
  return new Configuration(setup)
}

function parameterTable(setup: RedisConfigurationSetup): Map<string, Parameter> {
  const parameters = new Map<string, Parameter>()
  const fixed: readonly (readonly [string, ByteString])[] = [
    ['appendfsync', 'always'],
    ['appendonly', 'yes'],
    ['bind', setup.host],
    ['cluster-enabled', setup.isClustered === true ? 'yes' : 'no'],
    ['databases', '1'],
    ['dir', setup.dataDirectory],
    ['maxmemory', '0'],
    ['maxmemory-policy', 'noeviction'],
    ['notify-keyspace-events', ''],
    ['save', ''],
  ]
  for (const [name, value] of fixed) parameters.set(name, { show: () => value })
  parameters.set('port', { show: () => String(setup.port()) })

  parameters.set('requirepass', { show: (values) => values.password, parse: (password) => ({ password }) })
  parameters.set('maxclients', {
    show: (values) => String(values.maxClients),
    parse: (text) => parseNumber(text, 1, MAX_CLIENTS_LIMIT, (maxClients) => ({ maxClients })),
  })
  parameters.set('timeout', {
    show: (values) => String(values.idleTimeoutSeconds),
    parse: (text) =>
      parseNumber(text, 0, MAX_IDLE_TIMEOUT_SECONDS, (idleTimeoutSeconds) => ({ idleTimeoutSeconds })),
  })
  parameters.set('proto-max-bulk-len', {
    show: (values) => String(values.maxBulkBytes),
    parse: (text) => parseBytes(text, MIN_BULK_BYTES, MAX_BULK_BYTES, (maxBulkBytes) => ({ maxBulkBytes })),
  })
  parameters.set('slowlog-log-slower-than', {
    show: ({ slowLog }) => String(slowLog.slowerThanUs),
    parse: (text, { slowLog }) =>
      parseNumber(text, -1, Number.MAX_SAFE_INTEGER, (slowerThanUs) => ({
        slowLog: { ...slowLog, slowerThanUs },
      })),
  })
  parameters.set('slowlog-max-len', {
    show: ({ slowLog }) => String(slowLog.entriesMax),
    parse: (text, { slowLog }) =>
      parseNumber(text, 0, SLOW_ENTRIES_MAX, (entriesMax) => ({ slowLog: { ...slowLog, entriesMax } })),
  })
  return parameters
}

type Apply = (value: number) => Partial<Values>

function parseNumber(text: ByteString, min: number, max: number, apply: Apply): Partial<Values> | string {
  const value = parseInteger(text)
  if (value === null) return "argument couldn't be parsed into an integer"
  return value < min || value > max ? outOfRange(min, max) : apply(Number(value))
}

const BYTE_UNITS: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  k: 1000,
  kb: 1024,
  m: 1_000_000,
  mb: 1024 ** 2,
  g: 1_000_000_000,
  gb: 1024 ** 3,
}

function parseBytes(text: ByteString, min: number, max: number, apply: Apply): Partial<Values> | string {
  const match = /^(\d{1,15})([a-z]{0,2})$/i.exec(text)
  const unit = BYTE_UNITS[(match?.[2] ?? 'none').toLowerCase()]
  if (match === null || unit === undefined) return 'argument must be a memory value'
  const value = Number(match[1]) * unit
  return value < min || value > max ? outOfRange(min, max) : apply(value)
}

function outOfRange(min: number, max: number): string {
  return `argument must be between ${min} and ${max} inclusive`
}
