/** PSETEX key milliseconds value */
import type { KvCommandSpec } from '../command-spec.ts'
import { setWithExpiry } from '../strings.ts'

export const psetexCommand: KvCommandSpec = {
  info: {
    name: 'psetex',
    arity: 4,
    flags: ['write', 'denyoom'],
    keys: { first: 1, last: 1, step: 1 },
    categories: ['@string'],
    docs: {
      summary: 'Sets a key to a string that expires after so many milliseconds.',
      since: '2.6.0',
      group: 'string',
      complexity: 'O(1)',
    },
  },
  execute(transaction, args) {
    return setWithExpiry(transaction, args, { isSeconds: false, isAbsolute: false })
  },
}
