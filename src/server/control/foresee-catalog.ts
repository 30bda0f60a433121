/**
 * The catalog as it will be once this replica's log of the control group is committed: only a hint.
 *
 * After a start nothing is known to be committed beyond what the engine holds, and it takes a leader
 * to find out, which takes connections, whose addresses are in the catalog. The join of a member
 * stands in the log before the membership that counts on it, so this names every voter.
 */
import { type Entry, EntryKind } from '../../base/log-entry.ts'
import type { Machine } from '../../base/machine.ts'
import { type Catalog, decodeCatalog } from '../../cluster/catalog.ts'
import { CATALOG_KEY, type ClusterCommand, type ClusterReply } from '../../cluster/cluster-machine.ts'
import { decodePayload } from '../../replica/entry-payload.ts'
import type { StateStore } from '../../replica/state/state-store.ts'

export async function foreseeCatalog(
  machine: Machine<ClusterCommand, ClusterReply>,
  store: StateStore,
  entries: readonly Entry[],
): Promise<Catalog | null> {
  const { values } = await store.fetch([CATALOG_KEY], [])
  let encoded = values.get(CATALOG_KEY) ?? null
  const { position, machineVersion, timeMs } = store.applied
  const view = { get: () => encoded, range: () => undefined }
  for (const entry of entries) {
    if (entry.index <= position.index || entry.kind !== EntryKind.command) continue
    const payload = decodePayload(machine, entry.payload)
    if (payload.kind !== 'commands') continue
    for (const command of payload.commands) {
      const outcome = machine.execute(view, command, { timeMs, seed: payload.seed, machineVersion })
      if (outcome.kind === 'done') encoded = outcome.writes.at(-1)?.value ?? encoded
    }
  }
  return encoded === null ? null : decodeCatalog(encoded)
}
