/** HSCAN key cursor [MATCH pattern] [COUNT count] [NOVALUES] */
import type { KvCommandSpec } from '../command-spec.ts'
import { scanFields } from '../scan-fields.ts'

export const hscanCommand: KvCommandSpec = {
  info: {
    name: 'hscan',
    arity: -3,
    flags: ['readonly'],
    keys: { first: 1, last: 1, step: 1 },
    categories: ['@hash'],
    docs: {
      summary: 'Answers some fields of a hash and the cursor that continues, 0 when done.',
      since: '2.8.0',
      group: 'hash',
      complexity: 'O(1) for a call, O(N) for all fields',
    },
  },
  execute: scanFields,
}
