/**
 * Passwords. There is one user, `default`, whose password is the configuration's `requirepass`;
 * with none set, everybody is `default`.
 */
import type { Buffer } from 'node:buffer'
import { createHash, timingSafeEqual } from 'node:crypto'
import type { ByteString } from '../base/bytes.ts'
import { DEFAULT_USER, type RedisSession } from './redis-session.ts'
import type { ServerFacts } from './server-facts.ts'

export function needsAuthentication(session: RedisSession, server: ServerFacts): boolean {
  return !session.isAuthenticated && server.configuration.password !== ''
}

/** Checks the pair and, when it is right, authenticates the session. */
export function authenticate(
  session: RedisSession,
  server: ServerFacts,
  user: ByteString,
  password: ByteString,
): boolean {
  const expected = server.configuration.password
  if (user !== DEFAULT_USER) return false
  if (expected !== '' && !timingSafeEqual(digest(password), digest(expected))) return false
  session.user = user
  session.isAuthenticated = true
  return true
}

// Digests have one length, and comparing them in constant time gives away nothing of the password.
function digest(password: ByteString): Buffer {
  return createHash('sha256').update(password, 'latin1').digest()
}
