/** SCAN cursor [MATCH pattern] [COUNT count] [TYPE type] */
import type { KvCommandSpec } from '../command-spec.ts'
import { SCAN_POSITION_END } from '../record-keys.ts'
import { scanKeys } from '../scan.ts'

export const scanCommand: KvCommandSpec = {
  info: {
    name: 'scan',
    arity: -2,
    flags: ['readonly'],
    keys: null,
    categories: ['@keyspace'],
    docs: {
      summary: 'Answers some keys and the cursor that continues, 0 when done.',
      since: '2.8.0',
      group: 'generic',
      complexity: 'O(1) for a call, O(N) for all keys',
    },
  },
  execute(transaction, args) {
    return scanKeys(transaction, args, 2, SCAN_POSITION_END)
  },
}
