/**
 * Limits that more than one layer must agree on. Every queue, loop, message and retry has a named
 * limit; one that concerns a single file stands in that file, and what an operator may set is an
 * option of `cli`, so little is left for this page. Whoever adds a limit here makes sure that what
 * is let in at the edge can be carried on by every layer below it.
 */

/** A log segment is closed when it holds this much. */
export const LOG_SEGMENT_BYTES = 64 * 1024 * 1024
