/** SETEX key seconds value */
import type { KvCommandSpec } from '../command-spec.ts'
import { setWithExpiry } from '../strings.ts'

export const setexCommand: KvCommandSpec = {
  info: {
    name: 'setex',
    arity: 4,
    flags: ['write', 'denyoom'],
    keys: { first: 1, last: 1, step: 1 },
    categories: ['@string'],
    docs: {
      summary: 'Sets a key to a string that expires after so many seconds.',
      since: '2.0.0',
      group: 'string',
      complexity: 'O(1)',
    },
  },
  execute(transaction, args) {
    return setWithExpiry(transaction, args, { isSeconds: true, isAbsolute: false })
  },
}
