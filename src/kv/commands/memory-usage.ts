/** MEMORY USAGE key [SAMPLES count] */
import type { KvCommandSpec } from '../command-spec.ts'
import { memoryUsage } from '../memory-usage.ts'

export const memoryUsageCommand: KvCommandSpec = {
  info: {
    name: 'memory|usage',
    arity: -3,
    flags: ['readonly'],
    keys: { first: 2, last: 2, step: 1 },
    categories: [],
    docs: {
      summary: 'Answers the bytes of the records of a key.',
      since: '4.0.0',
      group: 'server',
      complexity: 'O(N) in the samples',
    },
  },
  execute: memoryUsage,
}
