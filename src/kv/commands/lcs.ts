/** LCS key1 key2 [LEN] [IDX] [MINMATCHLEN length] [WITHMATCHLEN] */
import type { KvCommandSpec } from '../command-spec.ts'
import { answerLcs } from '../longest-common-subsequence.ts'

export const lcsCommand: KvCommandSpec = {
  info: {
    name: 'lcs',
    arity: -3,
    flags: ['readonly'],
    keys: { first: 1, last: 2, step: 1 },
    categories: ['@string'],
    docs: {
      summary: 'Answers the longest common subsequence of two strings, its length, or where it is.',
      since: '7.0.0',
      group: 'string',
      complexity: 'O(N*M) where N and M are the lengths of the strings',
    },
  },
  execute: answerLcs,
}
