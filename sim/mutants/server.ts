/** Bugs of a node: its identity, and how it brings commands to a leader and answers to clients. */
import { edit, type Mutant } from './mutant.ts'

const ROUTER = 'src/server/routing/group-router.ts'

export const SERVER_MUTANTS: readonly Mutant[] = [
  {
    name: 'lost-log-accepted',
    source: 'node-id reuse after a wipe: openraft FAQ, cockroach#756',
    edits: [
      edit(
        'src/server/node.ts',
        '  if (identity.replicaId !== null) await refuseLostLog(world.disk, identity)\n',
        '',
      ),
      edit(
        'src/server/node-parts.ts',
        'if (founding === null && !host.groups.has(CONTROL_GROUP)) throw lostLog(this.#identity)',
        'if (founding === null && this.isStopping) throw lostLog(this.#identity)',
      ),
      edit(
        'src/replica/group-host.ts',
        'if (losses.length > 0 && !known.has(CONTROL_GROUP)) throw lostGroup(CONTROL_GROUP, losses)',
        'if (losses.length > known.size + 64) throw lostGroup(CONTROL_GROUP, losses)',
      ),
      edit(
        'src/replica/lost-groups.ts',
        '    if (!isBlank) throw lostGroup(group, losses)\n',
        '    if (!isBlank && known.size > 64) throw lostGroup(group, losses)\n',
      ),
    ],
  },
  {
    name: 'retry-without-session',
    source: 'Jepsen TiDB 2.1.7: automatic retry',
    edits: [
      edit(
        'src/server/routing/routers.ts',
        'return session.hasRoom ? { ...command, session: session.open() } : null',
        'return session.hasRoom ? command : null',
      ),
    ],
  },
  {
    name: 'retry-under-a-new-sequence',
    source: 'a retry that looks like a new command',
    edits: [
      edit(
        'src/server/routing/routers.ts',
        'if (command.session !== null) return { ...command, session: session.refresh(command.session) }\n',
        '',
      ),
    ],
  },
  {
    name: 'local-write-repeated-without-a-mark',
    source: 'Jepsen TiDB 2.1.7: an unknown outcome tried again',
    edits: [
      edit(
        ROUTER,
        'if (operation.isWrite && !operation.isTagged) {',
        'if (operation.isWrite && operation.isDone) {',
      ),
      edit(
        ROUTER,
        "    assert(!operation.isWrite || operation.isTagged, 'a write without a mark is never sent twice')\n",
        '',
      ),
    ],
  },
  {
    name: 'unknown-outcome-called-refused',
    source: 'Jepsen: a definite error for an indefinite outcome',
    edits: [
      edit(ROUTER, '    if (mayTakeEffect(operation)) operation.mayHaveHappened = true\n', ''),
      edit(
        ROUTER,
        'const mayBeInLog = operation.mayHaveHappened || mayTakeEffect(operation)',
        'const mayBeInLog = operation.mayHaveHappened',
      ),
    ],
  },
  {
    name: 'sequences-acknowledged-too-early',
    source: 'Raft thesis 6.3: what the client has not seen must not be forgotten',
    edits: [
      edit(
        'src/server/routing/gateway-session.ts',
        '    this.#released.add(tag.sequence)\n    while (this.#released.delete(this.#lowest)) this.#lowest += 1\n',
        '    this.#lowest = Math.max(this.#lowest, tag.sequence + 1)\n',
      ),
      edit(
        'src/server/routing/gateway-session.ts',
        'lowestUnacknowledged: Math.min(this.#lowest, tag.sequence) }',
        'lowestUnacknowledged: this.#lowest }',
      ),
    ],
  },
  {
    name: 'answered-twice',
    source: 'a late answer to an attempt that was given up',
    edits: [
      edit(
        'src/server/routing/operation.ts',
        '  reply(reply: Reply): void {\n    if (this.isDone) return\n',
        '  reply(reply: Reply): void {\n',
      ),
    ],
  },
  {
    name: 'forwarded-answers-change-places',
    source: 'a batch whose answers are matched by arrival',
    edits: [
      edit(
        'src/server/routing/forwarder.ts',
        '      answers[at] = outcome\n      open -= 1\n',
        '      answers[count - open] = at >= 0 ? outcome : null\n      open -= 1\n',
      ),
    ],
  },
]
