/** One kind of harm, done for a while and undone. */
import type { SimRandom } from '../../../sim/world/random.ts'
import type { NemesisWorld } from '../nemesis-world.ts'
import type { NodeProcess } from '../node-process.ts'

export type Family = 'process' | 'network' | 'disk'

export type Fault = {
  readonly name: string
  readonly family: Family
  /** Needs namespaces: a network, or a small disk. */
  readonly needsInside: boolean
  /**
   * Resolves, with whom it hit, when the harm is undone as far as the fault itself does that; nodes may
   * still be starting. Takes about `durationMs`.
   */
  readonly run: (world: NemesisWorld, random: SimRandom, durationMs: number) => Promise<string>
}

/** For faults of one node. */
export async function onOne(
  world: NemesisWorld,
  random: SimRandom,
  act: (node: NodeProcess) => Promise<unknown>,
): Promise<string> {
  const node = await world.claim(random)
  if (node === null) return 'nobody'
  try {
    await act(node)
  } finally {
    world.release(node)
  }
  return node.id
}

export async function repeat(durationMs: number, act: () => Promise<unknown>): Promise<void> {
  for (const endMs = performance.now() + durationMs; performance.now() < endMs; ) await act()
}
