import type { ByteString } from '../../base/bytes.ts'
import type { RedisSession } from '../redis-session.ts'

/**
 * One connection as CLIENT LIST shows it, with its line end. Redis' fields and order; sizes of
 * buffers, which nothing here measures, are left out. (Subscriptions: none yet.)
 */
export function clientLine(session: RedisSession, nowMs: number): ByteString {
  const fields: readonly (readonly [string, string | number])[] = [
    ['id', session.id],
    ['addr', session.remoteAddress],
    ['laddr', session.localAddress],
    ['name', session.name],
    ['age', wholeSeconds(nowMs - session.connectedAtMs)],
    ['idle', wholeSeconds(nowMs - session.lastActiveAtMs)],
    ['flags', session.transaction.isOpen ? 'x' : 'N'],
    ['db', session.database],
    ['sub', 0],
    ['psub', 0],
    ['ssub', 0],
    ['multi', session.transaction.queuedCommands],
    ['events', 'r'],
    ['cmd', session.lastCommand === '' ? 'NULL' : session.lastCommand],
    ['user', session.user],
    ['redir', -1],
    ['resp', session.protocol],
    ['lib-name', session.libraryName],
    ['lib-ver', session.libraryVersion],
  ]
  return `${fields.map(([name, value]) => `${name}=${value}`).join(' ')}\n`
}

function wholeSeconds(durationMs: number): number {
  return Math.max(0, Math.floor(durationMs / 1000))
}
