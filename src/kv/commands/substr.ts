/** SUBSTR key start end: the old name of GETRANGE */
import type { KvCommandSpec } from '../command-spec.ts'
import { getrangeCommand } from './getrange.ts'

export const substrCommand: KvCommandSpec = {
  info: {
    name: 'substr',
    arity: 4,
    flags: ['readonly'],
    keys: { first: 1, last: 1, step: 1 },
    categories: ['@string'],
    docs: {
      summary: 'Answers a part of a string value, as GETRANGE.',
      since: '1.0.0',
      group: 'string',
      complexity: 'O(N) in the length of the part',
    },
  },
  execute: getrangeCommand.execute,
}
