/** GETRANGE key start end */

import type { ByteString } from '../../base/bytes.ts'
import type { KvCommandSpec } from '../command-spec.ts'
import { NOT_AN_INTEGER } from '../errors.ts'
import { parseInteger } from '../integers.ts'
import { stringOf } from '../strings.ts'

export const getrangeCommand: KvCommandSpec = {
  info: {
    name: 'getrange',
    arity: 4,
    flags: ['readonly'],
    keys: { first: 1, last: 1, step: 1 },
    categories: ['@string'],
    docs: {
      summary: 'Answers a part of a string value; negative positions count from its end.',
      since: '2.4.0',
      group: 'string',
      complexity: 'O(N) in the length of the part',
    },
  },
  execute(transaction, args) {
    const start = parseInteger(args[2] as ByteString)
    const end = parseInteger(args[3] as ByteString)
    if (start === null || end === null) return NOT_AN_INTEGER
    const entry = transaction.open(args[1] as ByteString)
    if (entry === undefined) return undefined
    const value = stringOf(entry) ?? ''
    if (typeof value !== 'string') return value
    if (start < 0 && end < 0 && start > end) return ''
    const from = positionIn(value, Number(start))
    const to = Math.min(positionIn(value, Number(end)), value.length - 1)
    return from > to ? '' : value.slice(from, to + 1)
  },
}

/** Counted from the end when negative; not before the beginning. */
function positionIn(value: ByteString, position: number): number {
  return position < 0 ? Math.max(0, value.length + position) : position
}
