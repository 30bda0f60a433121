/**
 * What a few Redis keys must answer when they are used by one client at a time: the model against
 * which histories are checked. Written from the protocol's documentation, not from src/kv.
 *
 * Texts are made of tokens `id/N;` followed by N dots, so that a value of 100 KB is a few bytes in
 * the model, and every byte of what came back is still compared.
 */

import type { Model } from '../checkers/linearizability.ts'
import type { ClientReply } from '../cluster/redis-client.ts'

/** One command, keys by their place in the group. */
export type KeyOperation =
  | { readonly kind: 'get'; readonly keys: readonly number[] }
  | {
      readonly kind: 'set'
      readonly writes: readonly (readonly [key: number, value: string])[]
      readonly ifAbsent: boolean
      /** Names the expiry, if the command gives one. */
      readonly expires: number
      readonly answersOld: boolean
    }
  | { readonly kind: 'append'; readonly key: number; readonly value: string }
  | { readonly kind: 'increment'; readonly key: number; readonly by: number }
  | { readonly kind: 'delete'; readonly keys: readonly number[]; readonly answersOld: boolean }
  | { readonly kind: 'rename' | 'copy'; readonly from: number; readonly to: number }
  /** EXEC, after WATCH and then GET of `watched`, which answered `seen`. */
  | {
      readonly kind: 'transaction'
      readonly watched: number
      readonly seen: KeyAnswer
      readonly steps: readonly KeyOperation[]
    }
  /**
   * The store's own doing. Unanswered: at any time after the expiry may be due, or never. Answered: before its
   * answer, as by then every clock is past the expiry; most often there is nothing left to do.
   */
  | { readonly kind: 'expire'; readonly keys: readonly number[]; readonly expires: number }

/** What EXEC answers when the watched key was touched. */
export const ABORTED = 'nil'
/** What the store's own doing is answered with. */
export const EXPIRED = ''
const NO_SUCH_KEY = 'ERR no such key'

/** What was answered, as text that can be compared. */
export type KeyAnswer = string

type Cell = { readonly value: string; readonly expires: number } | null
export type KeyState = readonly Cell[]

const NO_EXPIRY = 0

export function makeKeyModel(keyCount: number): Model<KeyState, KeyOperation, KeyAnswer> {
  return {
    initial: new Array<Cell>(keyCount).fill(null),
    step: (state, operation, answer) => {
      // Whether somebody touched the key is not told by its value: a refusal can always be right.
      if (operation.kind === 'transaction' && answer === ABORTED) return state
      if (operation.kind === 'expire' && answer !== undefined) return expireDue(state, operation)
      const next = perform(state, operation)
      return next === null || (answer !== undefined && next.answer !== answer) ? null : next.state
    },
    nameOf: (operation) => (NAMED.has(operation.kind) ? JSON.stringify(operation) : null),
    touches: (operation) => touchedKeys(operation).reduce((bits, key) => bits | (1 << key), 0),
    keyOf: (state) => state.map((cell) => (cell === null ? '-' : `${cell.value}@${cell.expires}`)).join(' '),
  }
}

/** Two of them that say the same do the same. */
const NAMED: ReadonlySet<KeyOperation['kind']> = new Set(['increment', 'delete', 'rename', 'copy'])

function touchedKeys(operation: KeyOperation): readonly number[] {
  if ('keys' in operation) return operation.keys
  if ('from' in operation) return [operation.from, operation.to]
  if (operation.kind === 'transaction') return [operation.watched, ...operation.steps.flatMap(touchedKeys)]
  return operation.kind === 'set' ? operation.writes.map(([key]) => key) : [operation.key]
}

type Performed = { readonly state: KeyState; readonly answer: KeyAnswer }

function perform(state: KeyState, operation: KeyOperation): Performed | null {
  switch (operation.kind) {
    case 'get':
      return { state, answer: operation.keys.map((key) => show(state[key] ?? null)).join(' ') }
    case 'set':
      return performSet(state, operation)
    case 'append': {
      const before = state[operation.key] ?? null
      const value = (before?.value ?? '') + operation.value
      const expires = before?.expires ?? NO_EXPIRY
      return { state: put(state, operation.key, { value, expires }), answer: String(lengthOf(value)) }
    }
    case 'increment': {
      const before = state[operation.key] ?? null
      const value = String(Number(before?.value ?? '0') + operation.by)
      const expires = before?.expires ?? NO_EXPIRY
      return { state: put(state, operation.key, { value, expires }), answer: value }
    }
    case 'delete': {
      const present = operation.keys.filter((key) => (state[key] ?? null) !== null)
      const next = operation.keys.reduce((left, key) => put(left, key, null), state)
      const old = operation.answersOld ? show(state[operation.keys[0] as number] ?? null) : null
      return { state: next, answer: old ?? String(present.length) }
    }
    case 'rename':
    case 'copy':
      return performMove(state, operation)
    case 'transaction':
      return performTransaction(state, operation)
    case 'expire': {
      const next = expireDue(state, operation)
      return next === state ? null : { state: next, answer: EXPIRED }
    }
  }
}

/** A renamed or copied value takes its expiry along: all that have it vanish together. */
function expireDue(state: KeyState, { keys, expires }: KeyOperation & { readonly kind: 'expire' }): KeyState {
  const due = keys.filter((key) => state[key]?.expires === expires)
  return due.reduce((left, key) => put(left, key, null), state)
}

function performSet(state: KeyState, operation: KeyOperation & { readonly kind: 'set' }): Performed {
  const { writes, ifAbsent, expires, answersOld } = operation
  const first = writes[0] as readonly [number, string]
  const old = state[first[0]] ?? null
  if (ifAbsent && old !== null) return { state, answer: answersOld ? show(old) : 'nil' }
  const next = writes.reduce((left, [key, value]) => put(left, key, { value, expires }), state)
  return { state: next, answer: answersOld ? show(old) : 'OK' }
}

function performMove(
  state: KeyState,
  { kind, from, to }: KeyOperation & { readonly kind: 'rename' | 'copy' },
): Performed {
  const cell = state[from] ?? null
  if (cell === null) return { state, answer: kind === 'rename' ? NO_SUCH_KEY : '0' }
  const copied = put(state, to, cell)
  return kind === 'copy' ? { state: copied, answer: '1' } : { state: put(copied, from, null), answer: 'OK' }
}

function performTransaction(
  state: KeyState,
  { watched, seen, steps }: KeyOperation & { readonly kind: 'transaction' },
): Performed | null {
  if (show(state[watched] ?? null) !== seen) return null
  const answers: KeyAnswer[] = []
  let next = state
  for (const step of steps) {
    const performed = perform(next, step)
    if (performed === null) return null
    next = performed.state
    answers.push(performed.answer)
  }
  return { state: next, answer: answers.join(' ') }
}

function put(state: KeyState, key: number, cell: Cell): KeyState {
  return state.map((before, at) => (at === key ? cell : before))
}

function show(cell: Cell): string {
  return cell === null ? 'nil' : `"${cell.value}"`
}

// ---- Texts

/** The bytes a token stands for. */
export function expandText(tokens: string): string {
  return tokens.replace(/\/(\d+);/g, (token, count: string) => token + '.'.repeat(Number(count)))
}

/** The inverse, or the text itself where a byte is not what it must be. */
export function compactText(text: string): string {
  return text.replace(/\/(\d+);(\.*)/g, (whole, count: string, dots: string) =>
    dots.length === Number(count) ? `/${count};` : whole,
  )
}

/** Of the bytes that the tokens stand for. */
export function lengthOf(tokens: string): number {
  let length = tokens.length
  for (const [, count] of tokens.matchAll(/\/(\d+);/g)) length += Number(count)
  return length
}

/** An answer as the model says it. */
export function answerOf(reply: ClientReply): KeyAnswer {
  switch (reply.kind) {
    case 'status':
      return reply.text
    case 'bulk':
      return `"${compactText(reply.text)}"`
    case 'integer':
      return String(reply.value)
    case 'nil':
      return 'nil'
    case 'array':
      return reply.items.map(answerOf).join(' ')
    case 'error':
      if (isAnswer(reply)) return reply.text
      throw new Error(`${reply.text} is no answer of a key`)
    case 'lost':
      throw new Error(`${reply.kind} is no answer of a key`)
  }
}

/** Errors that say how the keys are. */
export function isAnswer(reply: ClientReply): boolean {
  return reply.kind !== 'lost' && (reply.kind !== 'error' || reply.text === NO_SUCH_KEY)
}
