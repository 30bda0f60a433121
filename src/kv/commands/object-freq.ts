/** OBJECT FREQ key */
import type { ByteString } from '../../base/bytes.ts'
import type { KvCommandSpec } from '../command-spec.ts'
import { error } from '../reply.ts'

const NOT_TRACKED = error(
  'ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when ' +
    'switching between policies at runtime LRU and LFU data will take some time to adjust.',
)

export const objectFreqCommand: KvCommandSpec = {
  info: {
    name: 'object|freq',
    arity: 3,
    flags: ['readonly'],
    keys: { first: 2, last: 2, step: 1 },
    categories: ['@keyspace'],
    docs: {
      summary: 'Refused as by a Redis that evicts nothing: how often a key is used is not counted.',
      since: '4.0.0',
      group: 'generic',
      complexity: 'O(1)',
    },
  },
  execute(transaction, args) {
    const entry = transaction.open(args[2] as ByteString)
    if (entry === undefined) return undefined
    return entry.live === null ? null : NOT_TRACKED
  },
}
