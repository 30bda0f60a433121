/**
 * HOLDFAST.SCAN cursor end-slot [MATCH pattern] [COUNT count] [TYPE type]
 *
 * SCAN for a gateway in front of several groups: stops before `end-slot` and then answers the
 * cursor at which that slot begins, which another group may own.
 */
import type { ByteString } from '../../base/bytes.ts'
import { SLOT_COUNT } from '../../base/ids.ts'
import type { KvCommandSpec } from '../command-spec.ts'
import { NOT_AN_INTEGER } from '../errors.ts'
import { parseInteger } from '../integers.ts'
import { scanPositionOfSlot } from '../record-keys.ts'
import { scanKeys } from '../scan.ts'

export const holdfastScanCommand: KvCommandSpec = {
  info: {
    name: 'holdfast.scan',
    arity: -3,
    flags: ['readonly'],
    keys: null,
    categories: ['@keyspace'],
    docs: {
      summary: 'SCAN up to the beginning of a slot, for gateways.',
      since: '7.0.0',
      group: 'generic',
      complexity: 'O(1) for a call, O(N) for all keys',
    },
  },
  execute(transaction, args) {
    const endSlot = parseInteger(args[2] as ByteString)
    if (typeof endSlot !== 'number' || endSlot < 1 || endSlot > SLOT_COUNT) return NOT_AN_INTEGER
    return scanKeys(transaction, args, 3, scanPositionOfSlot(endSlot))
  },
}
