/** What proposer, reader and log cutter see of consensus, with the answers laid down by the test. */
import type { Raft } from '../src/raft/raft.ts'

/** Every member that the test does not give fails when it is used. */
export function fakeRaft(given: Partial<Raft>): Raft {
  return new Proxy(given, {
    get(target, name) {
      if (name in target) return Reflect.get(target, name)
      throw new Error(`the test did not expect ${String(name)}`)
    },
  }) as Raft
}
