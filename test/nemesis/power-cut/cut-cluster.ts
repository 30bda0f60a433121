/** A cluster whose nodes lose, at each kill, what they had not synced. */
import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import type { NodeProcess } from '../node-process.ts'
import { pseudoRandom } from '../pseudo-random.ts'
import { type RealCluster, startCluster } from '../real-cluster.ts'
import { buildShim } from './build-shim.ts'
import { type CutReport, cutPower, shimEnvironment } from './power-cut.ts'

export type CutClusterOptions = {
  readonly nodes: number
  readonly seed: number
  /** The nodes' fsync and fdatasync do nothing: what a test must notice. */
  readonly syncsNothing?: boolean
}

export type CutCluster = {
  readonly cluster: RealCluster
  /** After the node was killed, before it is started again. */
  readonly cut: (node: NodeProcess) => Promise<void>
  readonly reports: readonly CutReport[]
  destroy(): Promise<void>
}

/** Chances of an unsynced sector to survive, in turn. */
const CHANCES = [null, 0.5, 0.9] as const

export async function startCutCluster(options: CutClusterOptions): Promise<CutCluster> {
  const shim = await buildShim()
  const random = pseudoRandom(options.seed)
  const reports: CutReport[] = []
  const journals: string[] = []
  const pathsOf = (directory: string): { directory: string; journal: string } => ({
    directory,
    journal: `${directory}.undo`,
  })
  const cluster = await startCluster({
    nodes: options.nodes,
    environment: (_id, directory) => {
      journals.push(pathsOf(directory).journal)
      return shimEnvironment(shim, pathsOf(directory), { syncsNothing: options.syncsNothing ?? false })
    },
  })
  return {
    cluster,
    reports,
    cut: async (node) => {
      assert(!node.isRunning, 'the power of a running process can not be cut')
      // A disk that syncs nothing loses everything, else nothing need be missed.
      const chance = options.syncsNothing === true ? null : (CHANCES[reports.length % CHANCES.length] ?? null)
      reports.push(
        cutPower({ ...pathsOf(node.directory), keep: chance === null ? null : { chance, random } }),
      )
    },
    destroy: async () => {
      await cluster.destroy()
      for (const journal of journals) rmSync(journal, { force: true })
    },
  }
}
