/**
 * Seeds that once showed a bug, with what it was. A change of what seeds draw makes them tell other
 * stories: then they are ordinary seeds, and the unit test of the fix is what holds.
 */
export const REGRESSION_SEEDS: ReadonlyMap<number, string> = new Map([
  [1, 'a damaged log did not know how far it had acknowledged'],
  [9, 'a replica without engine behind a log that was cut could not start'],
  [15, 'an old catalog, read back at a start, hid the leader from its follower'],
  [27, 'a catalog too large for the cache was never read'],
  [37, 'after a cold start nobody knew the addresses of the others'],
  [42, 'a flipped bit in the length of a frame silenced a connection'],
  [69, 'a read that failed beside another one ended the process'],
  [84, 'a founder that crashed early never founded its cluster'],
  [116, 'a lost log was taken for one that had never been'],
  [252, 'writes waited for ever for a leader that was gone'],
])
