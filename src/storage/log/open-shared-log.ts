/** Opens the node's shared log: reads what is there, starts a new segment, and hands it out ready for appends. */
import { LOG_SEGMENT_BYTES } from '../../base/limits.ts'
import type { Clock } from '../../env/clock.ts'
import type { Disk } from '../../env/disk.ts'
import type { Logger } from '../../env/logger.ts'
import type { Random } from '../../env/random.ts'
import { SegmentedLog } from './segmented-log.ts'
import type { SharedLog } from './shared-log.ts'

export const LOG_DIRECTORY = 'log'

export type OpenLogOptions = {
  readonly disk: Disk
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly directory?: string
  /** Whole sectors of 512 bytes. */
  readonly segmentBytes?: number
}

/** Fails with the `DiskFault` that kept it from reading or from starting the new segment. */
export async function openSharedLog(options: OpenLogOptions): Promise<SharedLog> {
  const { directory = LOG_DIRECTORY, segmentBytes = LOG_SEGMENT_BYTES } = options
  const log = new SegmentedLog({ ...options, directory, segmentBytes })
  await log.open()
  return log
}
