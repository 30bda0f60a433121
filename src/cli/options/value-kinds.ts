/**
 * The kinds of value an option can have: how each is written on the command line and in the
 * environment (always text), which YAML types may carry it, and how what is allowed is said.
 *
 * `parse` answers null for anything it does not take, never a guess: the caller knows where the
 * text came from and makes the error.
 */
import assert from 'node:assert/strict'
import { isNodeId, type NodeId } from '../../base/ids.ts'
import type { Address } from '../../env/network.ts'

export type YamlType = 'text' | 'number' | 'boolean' | 'list'

export type ValueKind<Value> = {
  /** Stands for the value in the help: `PORT`. Empty for a switch, which takes none on the command line. */
  readonly placeholder: string
  /** Ends the sentence "… must be". */
  readonly allowed: string
  readonly yamlTypes: readonly YamlType[]
  parse(text: string): Value | null
  /** As an operator would write it. */
  show(value: Value): string
}

const HOST_PATTERN =
  /^(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*\.?$/
const IPV6_PATTERN = /^(?=.*:.*:)[0-9A-Fa-f:]{2,39}(%[A-Za-z0-9_.-]+)?$|^[0-9A-Fa-f:]+:\d{1,3}(\.\d{1,3}){3}$/

export const portKind: ValueKind<number> = integerKind(
  0,
  65_535,
  'PORT',
  'a port, 0 to 65535 (0: any free one)',
)

export const hostKind: ValueKind<string> = {
  placeholder: 'HOST',
  allowed: 'a host name or an IP address, without a port',
  yamlTypes: ['text'],
  parse: (text) => (isHost(text) ? text : null),
  show: (value) => value,
}

export const nodeIdKind: ValueKind<NodeId> = {
  placeholder: 'ID',
  allowed: '1 to 64 of the characters A-Z a-z 0-9 _ -',
  yamlTypes: ['text'],
  parse: (text) => (isNodeId(text) ? text : null),
  show: (value) => value,
}

export const pathKind: ValueKind<string> = {
  placeholder: 'PATH',
  allowed: 'a path that is not empty',
  yamlTypes: ['text'],
  parse: (text) => (text === '' || text.includes('\0') ? null : text),
  show: (value) => value,
}

export const secretKind: ValueKind<string> = {
  placeholder: 'PASSWORD',
  allowed: 'text of 1 to 512 bytes',
  yamlTypes: ['text'],
  parse: (text) => (text === '' || Buffer.byteLength(text) > 512 ? null : text),
  show: () => '(secret)',
}

export const switchKind: ValueKind<boolean> = {
  placeholder: '',
  allowed: 'true or false',
  yamlTypes: ['boolean'],
  parse: (text) => (text === 'true' || text === '1' ? true : text === 'false' || text === '0' ? false : null),
  show: (value) => String(value),
}

export const addressesKind: ValueKind<readonly Address[]> = {
  placeholder: 'HOST:PORT,…',
  allowed: 'host:port addresses separated by commas, each with a port from 1 to 65535',
  yamlTypes: ['text', 'list'],
  parse: (text) => parseList(text, parseAddress),
  show: (value) => value.map(showAddress).join(','),
}

export function integerKind(
  min: number,
  max: number,
  placeholder: string,
  allowed: string,
): ValueKind<number> {
  return {
    placeholder,
    allowed,
    yamlTypes: ['number'],
    parse: (text) => {
      const value = /^\d{1,15}$/.test(text) ? Number(text) : null
      return value !== null && value >= min && value <= max ? value : null
    },
    show: (value) => String(value),
  }
}

export function choiceKind<const Choice extends string>(choices: readonly Choice[]): ValueKind<Choice> {
  return {
    placeholder: choices.join('|'),
    allowed: `one of ${choices.join(', ')}`,
    yamlTypes: ['text'],
    parse: (text) => choices.find((choice) => choice === text) ?? null,
    show: (value) => value,
  }
}

/** One or more of `choices`, each at most once. */
export function choicesKind<const Choice extends string>(
  choices: readonly Choice[],
): ValueKind<readonly Choice[]> {
  const one = choiceKind(choices)
  return {
    placeholder: 'LIST',
    allowed: `one or more of ${choices.join(', ')}, separated by commas`,
    yamlTypes: ['text', 'list'],
    parse: (text) => {
      const found = parseList(text, (part) => one.parse(part))
      return found === null || new Set(found).size !== found.length ? null : found
    },
    show: (value) => value.join(','),
  }
}

const DURATION_UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }

/** Milliseconds; written with a unit, because `30` alone has been misread by somebody everywhere. */
export function durationKind(minMs: number, maxMs: number): ValueKind<number> {
  return {
    placeholder: 'DURATION',
    allowed: `a duration with its unit (ms, s, m, h), ${showDuration(minMs)} to ${showDuration(maxMs)}`,
    yamlTypes: ['text'],
    parse: (text) => parseQuantity(text, DURATION_UNITS, minMs, maxMs),
    show: showDuration,
  }
}

const SIZE_UNITS: Readonly<Record<string, number>> = {
  B: 1,
  KB: 1_000,
  MB: 1_000_000,
  GB: 1_000_000_000,
  KiB: 1_024,
  MiB: 1_048_576,
  GiB: 1_073_741_824,
}

/** Bytes. */
export function sizeKind(minBytes: number, maxBytes: number): ValueKind<number> {
  return {
    placeholder: 'SIZE',
    allowed: `a size with its unit (B, KB, MB, GB, KiB, MiB, GiB), ${showSize(minBytes)} to ${showSize(maxBytes)}`,
    yamlTypes: ['text'],
    parse: (text) => parseQuantity(text, SIZE_UNITS, minBytes, maxBytes),
    show: showSize,
  }
}

export function isHost(text: string): boolean {
  if (IPV6_PATTERN.test(text)) return true
  if (/^[\d.]+$/.test(text)) return isIpv4(text)
  return HOST_PATTERN.test(text)
}

/** `host:port`, with an IPv6 host in brackets. */
export function parseAddress(text: string): Address | null {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text)
  const host = match?.[1] ?? match?.[2]
  const port = Number(match?.[3])
  if (host === undefined || !isHost(host) || port < 1 || port > 65_535) return null
  return { host, port }
}

export function showAddress({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

export function showDuration(milliseconds: number): string {
  return showQuantity(milliseconds, DURATION_UNITS)
}

export function showSize(bytes: number): string {
  const { B, KiB, MiB, GiB } = SIZE_UNITS as { B: number; KiB: number; MiB: number; GiB: number }
  return showQuantity(bytes, { B, KiB, MiB, GiB })
}

function isIpv4(text: string): boolean {
  const parts = text.split('.')
  return parts.length === 4 && parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) <= 255)
}

function parseList<Item>(text: string, parseItem: (text: string) => Item | null): readonly Item[] | null {
  const items: Item[] = []
  for (const part of text.split(',')) {
    const item = parseItem(part.trim())
    if (item === null) return null
    items.push(item)
  }
  return items
}

function parseQuantity(
  text: string,
  units: Readonly<Record<string, number>>,
  min: number,
  max: number,
): number | null {
  const match = /^(\d{1,12}(?:\.\d{1,3})?)\s?([A-Za-z]+)$/.exec(text)
  const unit = units[match?.[2] ?? '']
  if (match === null || unit === undefined) return null
  const value = Math.round(Number(match[1]) * unit)
  return value >= min && value <= max ? value : null
}

/** In the largest unit that needs no fraction. */
function showQuantity(value: number, units: Readonly<Record<string, number>>): string {
  const [name, size] = Object.entries(units)
    .sort(([, left], [, right]) => right - left)
    .find(([, unit]) => value % unit === 0 && value >= unit) ?? ['', 1]
  assert(name !== '' || value === 0)
  return `${value / size}${name === '' ? Object.keys(units)[0] : name}`
}
