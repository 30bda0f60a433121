/** A cluster all of whose disks take long for every sync. */
import { type RealCluster, startCluster } from '../real-cluster.ts'
import { type NodeDiskFaults, prepareNodeDisk } from './node-disk-faults.ts'

export type SlowClusterOptions = {
  readonly nodes: number
  /** Of each sync, from when the cluster has settled. */
  readonly syncDelayMs: number
}

export async function startSlowCluster({ nodes, syncDelayMs }: SlowClusterOptions): Promise<RealCluster> {
  const disks = new Map<string, NodeDiskFaults>()
  const cluster = await startCluster({
    nodes,
    prepareHome: async (id, place) => {
      const disk = await prepareNodeDisk(place, { isSmall: false, syncsNothing: false })
      disks.set(id, disk)
      return disk.directory
    },
    environment: (id) => disks.get(id)?.environment ?? {},
  })
  for (const disk of disks.values()) disk.fail({ syncDelayMs })
  return cluster
}
