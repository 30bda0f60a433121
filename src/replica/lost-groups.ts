/**
 * What a start makes of groups that log and engines do not agree about: engines that nobody promised anything
 * for are removed; where a promise may be forgotten the node refuses to start (docs/formats/recovery.md).
 */
import { storageError } from '../base/errors.ts'
import type { GroupId } from '../base/ids.ts'
import { EngineFault, type EngineStore } from '../env/engine.ts'
import type { LogDamage } from '../storage/log/shared-log.ts'
import { groupEngineName, groupOfEngine } from './open-group.ts'
import { APPLIED_KEY } from './state/engine-records.ts'

/**
 * Engines of which the log knows nothing. If the log is whole they are left from a creation that a
 * crash cut short: nothing was ever promised in their name. If it is not, a vote or an
 * acknowledgement may be forgotten, and to go on could elect two leaders.
 */
export async function removeUnbornGroups(
  engines: EngineStore,
  known: ReadonlySet<GroupId>,
  losses: readonly LogDamage[],
): Promise<void> {
  for (const name of await engines.list()) {
    const group = groupOfEngine(name)
    if (group === null || known.has(group)) continue
    const isBlank = losses.length === 0 && !(await hasAppliedRecord(engines, name))
    if (!isBlank) throw lostGroup(group, losses)
    await engines.destroy(name)
  }
}

async function hasAppliedRecord(engines: EngineStore, name: string): Promise<boolean> {
  const engine = await engines.open(name)
  try {
    const [applied] = await engine.getMany([APPLIED_KEY])
    return applied !== null && applied !== undefined
  } finally {
    await engine.close()
  }
}

/**
 * The log and the peers could replace a damaged engine; whether they have all of it is not for the node to
 * guess: what it takes for damage on every machine at once must not be thrown away on every machine at once.
 */
export function explainDamage(group: GroupId, error: unknown): unknown {
  if (!(error instanceof EngineFault) || error.kind !== 'corruption') return error
  const directory = `engines/${groupEngineName(group)}`
  return storageError('engineDamaged', {
    message: `the engine of group ${group} is damaged: ${error.message}`,
    cause: error,
    hint: `Nothing was changed. Move ${directory} out of the data directory, keep it as evidence, and start again: its content comes from the log, or from a peer. A node without peers whose log does not go back far enough refuses again: then put ${directory} back, or restore a backup.`,
  })
}

export function lostGroup(group: GroupId, losses: readonly LogDamage[]): Error {
  const what = losses.map(({ path, offset, detail }) => `${path} at ${offset}: ${detail}`).join('; ')
  return storageError('logDamaged', {
    message: `the log has lost everything of group ${group}, of which this node is a replica (${what || 'no trace of it is left'})`,
    hint: 'This node may have forgotten a vote, so it must not come back under its old identity: start it on an empty data directory with --join, and remove the old node from the cluster. Keep the old directory until that is done.',
  })
}
