/**
 * How much garbage V8 may let pile up before it looks through the whole heap.
 *
 * Left alone it waits until the heap is several times what is in use: on a large machine that is hundreds of
 * megabytes, and every buffer that is only waiting to be collected comes on top. What a node has in its heap is
 * small (values lie outside of it), so collecting more often costs it little (docs/performance.md).
 */
import { setFlagsFromString } from 'node:v8'

/** Beyond what was in use after the last collection, and beyond the space for young objects. */
const GROWTH_PERCENT = 200

/** For this process, from the next collection on. */
export function limitHeapGrowth(): void {
  setFlagsFromString(`--heap-growing-percent=${GROWTH_PERCENT}`)
}
