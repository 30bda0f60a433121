/** Bugs of the way writes take through a follower: docs/design/0008-writes-through-followers.md. */
import { edit, type Mutant } from './mutant.ts'

const SENT = 'src/replica/forwarding/sent-proposals.ts'
const STREAMS = 'src/replica/forwarding/proposal-streams.ts'
const SENDER = 'src/server/routing/proposal-sender.ts'

export const FORWARDING_MUTANTS: readonly Mutant[] = [
  {
    name: 'place-of-a-stream-taken-twice',
    source: 'Raft thesis 6.3: a request that arrives again is executed again',
    edits: [edit(STREAMS, 'for (let at = newest.next - first; at < count', 'for (let at = 0; at < count')],
  },
  {
    name: 'refusal-taken-for-proof',
    source: 'a leader that forgot what it took, and says that it takes nothing',
    edits: [
      edit(
        SENDER,
        "    if (taken.kind === 'refused') return\n",
        "    if (taken.kind === 'refused') {\n      group.sent.onTaken(stream, 1, { kind: 'notCommitted' })\n      return\n    }\n",
      ),
    ],
  },
  {
    name: 'sent-proposal-given-up-in-its-own-term',
    source: 'another entry of the same leader taken for the loss of this one',
    edits: [edit(SENT, '(stream) => stream.term < term', '(stream) => stream.term <= term')],
  },
  {
    name: 'sent-proposal-under-a-snapshot-called-lost',
    source: 'what a snapshot covers may have taken effect',
    edits: [
      edit(
        SENT,
        "this.#giveUp((stream) => stream.term <= term, { kind: 'unknown' })",
        "this.#giveUp((stream) => stream.term <= term, { kind: 'notCommitted' })",
      ),
    ],
  },
  {
    name: 'marked-replies-change-places',
    source: 'replies matched by arrival',
    edits: [
      edit(
        SENT,
        'for (const { place, sender } of stream.resolveBefore(first + count))\n        own[ordinal + place - first] = sender\n',
        'for (const { place, sender } of stream.resolveBefore(first + count))\n        own[ordinal + count - 1 - (place - first)] = sender\n',
      ),
    ],
  },
]
