/** Bugs of the key machine: what takes effect twice, what outlives its time. */
import { edit, type Mutant } from './mutant.ts'

export const KV_MUTANTS: readonly Mutant[] = [
  {
    name: 'session-not-looked-up',
    source: 'eRaft; MIT 6.824: duplicates after a retry',
    edits: [
      edit(
        'src/kv/session.ts',
        '  if (run !== null) {\n    if (run.reply',
        '  if (run !== null && tag.sequence < 0) {\n    if (run.reply',
      ),
      edit('src/kv/session-record.ts', '  assert(findRun(runs, sequence) === null)\n', ''),
    ],
  },
  {
    name: 'session-keeps-only-the-last-reply',
    source: 'Raft thesis 6.3, read as one reply per client: pipelined writes run twice',
    edits: [
      edit(
        'src/kv/session.ts',
        'const kept = dropBelow(record.runs, lowest)',
        'const kept = dropBelow(record.runs, tag.sequence)',
      ),
    ],
  },
  {
    name: 'session-written-without-its-reply',
    source: 'a retry answered with another reply than the first time',
    edits: [
      edit('src/kv/session.ts', '  const stored = formatReply(reply)\n', '  const stored = STORED_OK\n'),
    ],
  },
  {
    name: 'watch-not-compared',
    source: 'check-and-set that sets without checking: lost updates',
    edits: [
      edit('src/kv/execute-transaction.ts', '!isGone && entry.revision ===', '!isGone && entry.revision >='),
    ],
  },
  {
    name: 'expiry-index-not-moved',
    source: 'Redis: a key that lives on is deleted when its old expiry comes',
    edits: [
      edit(
        'src/kv/transaction.ts',
        '    if (before !== NO_EXPIRY) this.write(entry.slot, expiryIndexKey(before, entry.slot, entry.key), null)\n',
        '',
      ),
    ],
  },
  {
    name: 'expired-key-still-there',
    source: 'Redis: lazy expiry forgotten on one path',
    edits: [
      edit(
        'src/kv/transaction.ts',
        '    if (expireMs <= this.timeMs) return true\n',
        '    if (expireMs <= this.timeMs) return false\n',
      ),
    ],
  },
  {
    name: 'expired-by-the-reader-clock',
    source: 'expiry seen early, then undone by a slower clock',
    edits: [
      edit(
        'src/kv/transaction.ts',
        '    if (expireMs <= this.#clockMs && expireMs > this.#needTimeMs) this.#needTimeMs = expireMs\n    return false\n',
        '    return expireMs <= this.#clockMs\n',
      ),
    ],
  },
]
