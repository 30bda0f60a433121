/**
 * Every command of the key machine by name, in lower case. What a command is, how it is routed and
 * documented, and how it runs are one row: a command that isn't here doesn't exist.
 */
import type { KvCommandSpec } from './command-spec.ts'
import { appendCommand } from './commands/append.ts'
import { copyCommand } from './commands/copy.ts'
import { dbsizeCommand } from './commands/dbsize.ts'
import { decrCommand } from './commands/decr.ts'
import { decrbyCommand } from './commands/decrby.ts'
import { delCommand } from './commands/del.ts'
import { dumpCommand } from './commands/dump.ts'
import { existsCommand } from './commands/exists.ts'
import { expireCommand } from './commands/expire.ts'
import { expireatCommand } from './commands/expireat.ts'
import { expiretimeCommand } from './commands/expiretime.ts'
import { flushallCommand } from './commands/flushall.ts'
import { flushdbCommand } from './commands/flushdb.ts'
import { getCommand } from './commands/get.ts'
import { getdelCommand } from './commands/getdel.ts'
import { getexCommand } from './commands/getex.ts'
import { getrangeCommand } from './commands/getrange.ts'
import { getsetCommand } from './commands/getset.ts'
import { hdelCommand } from './commands/hdel.ts'
import { hexistsCommand } from './commands/hexists.ts'
import { hgetCommand } from './commands/hget.ts'
import { hgetallCommand } from './commands/hgetall.ts'
import { hincrbyCommand } from './commands/hincrby.ts'
import { hincrbyfloatCommand } from './commands/hincrbyfloat.ts'
import { hkeysCommand } from './commands/hkeys.ts'
import { hlenCommand } from './commands/hlen.ts'
import { hmgetCommand } from './commands/hmget.ts'
import { hmsetCommand } from './commands/hmset.ts'
import { holdfastRevisionsCommand } from './commands/holdfast-revisions.ts'
import { holdfastScanCommand } from './commands/holdfast-scan.ts'
import { holdfastWatchCommand } from './commands/holdfast-watch.ts'
import { hrandfieldCommand } from './commands/hrandfield.ts'
import { hscanCommand } from './commands/hscan.ts'
import { hsetCommand } from './commands/hset.ts'
import { hsetnxCommand } from './commands/hsetnx.ts'
import { hstrlenCommand } from './commands/hstrlen.ts'
import { hvalsCommand } from './commands/hvals.ts'
import { incrCommand } from './commands/incr.ts'
import { incrbyCommand } from './commands/incrby.ts'
import { incrbyfloatCommand } from './commands/incrbyfloat.ts'
import { keysCommand } from './commands/keys.ts'
import { lcsCommand } from './commands/lcs.ts'
import { memoryUsageCommand } from './commands/memory-usage.ts'
import { mgetCommand } from './commands/mget.ts'
import { moveCommand } from './commands/move.ts'
import { msetCommand } from './commands/mset.ts'
import { msetnxCommand } from './commands/msetnx.ts'
import { objectEncodingCommand } from './commands/object-encoding.ts'
import { objectFreqCommand } from './commands/object-freq.ts'
import { objectIdletimeCommand } from './commands/object-idletime.ts'
import { objectRefcountCommand } from './commands/object-refcount.ts'
import { persistCommand } from './commands/persist.ts'
import { pexpireCommand } from './commands/pexpire.ts'
import { pexpireatCommand } from './commands/pexpireat.ts'
import { pexpiretimeCommand } from './commands/pexpiretime.ts'
import { psetexCommand } from './commands/psetex.ts'
import { pttlCommand } from './commands/pttl.ts'
import { randomkeyCommand } from './commands/randomkey.ts'
import { renameCommand } from './commands/rename.ts'
import { renamenxCommand } from './commands/renamenx.ts'
import { restoreCommand } from './commands/restore.ts'
import { scanCommand } from './commands/scan.ts'
import { setCommand } from './commands/set.ts'
import { setexCommand } from './commands/setex.ts'
import { setnxCommand } from './commands/setnx.ts'
import { setrangeCommand } from './commands/setrange.ts'
import { sortCommand } from './commands/sort.ts'
import { sortRoCommand } from './commands/sort-ro.ts'
import { strlenCommand } from './commands/strlen.ts'
import { substrCommand } from './commands/substr.ts'
import { swapdbCommand } from './commands/swapdb.ts'
import { touchCommand } from './commands/touch.ts'
import { ttlCommand } from './commands/ttl.ts'
import { typeCommand } from './commands/type.ts'
import { unlinkCommand } from './commands/unlink.ts'

const SPECS: readonly KvCommandSpec[] = [
  appendCommand,
  copyCommand,
  dbsizeCommand,
  decrCommand,
  decrbyCommand,
  delCommand,
  dumpCommand,
  existsCommand,
  expireCommand,
  expireatCommand,
  expiretimeCommand,
  flushallCommand,
  flushdbCommand,
  getCommand,
  getdelCommand,
  getexCommand,
  getrangeCommand,
  getsetCommand,
  hdelCommand,
  hexistsCommand,
  hgetCommand,
  hgetallCommand,
  hincrbyCommand,
  hincrbyfloatCommand,
  hkeysCommand,
  hlenCommand,
  hmgetCommand,
  hmsetCommand,
  holdfastRevisionsCommand,
  holdfastScanCommand,
  holdfastWatchCommand,
  hrandfieldCommand,
  hscanCommand,
  hsetCommand,
  hsetnxCommand,
  hstrlenCommand,
  hvalsCommand,
  incrCommand,
  incrbyCommand,
  incrbyfloatCommand,
  keysCommand,
  lcsCommand,
  memoryUsageCommand,
  mgetCommand,
  moveCommand,
  msetCommand,
  msetnxCommand,
  objectEncodingCommand,
  objectFreqCommand,
  objectIdletimeCommand,
  objectRefcountCommand,
  persistCommand,
  pexpireCommand,
  pexpireatCommand,
  pexpiretimeCommand,
  psetexCommand,
  pttlCommand,
  randomkeyCommand,
  renameCommand,
  renamenxCommand,
  restoreCommand,
  scanCommand,
  setCommand,
  setexCommand,
  setnxCommand,
  setrangeCommand,
  sortCommand,
  sortRoCommand,
  strlenCommand,
  substrCommand,
  swapdbCommand,
  touchCommand,
  ttlCommand,
  typeCommand,
  unlinkCommand,
]

export const kvCommands: ReadonlyMap<string, KvCommandSpec> = new Map(
  SPECS.map((spec) => [spec.info.name, spec]),
)
