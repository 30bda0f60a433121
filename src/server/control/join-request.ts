/**
 * How a new node becomes a member: it asks any node it was told of, which carries the request to
 * the control group's leader (request kind `join`; both bodies are JSON).
 */
import type { ByteReader } from '../../base/byte-reader.ts'
import { storageError } from '../../base/errors.ts'
import type { ReplicaId } from '../../base/ids.ts'
import type { Catalog } from '../../cluster/catalog.ts'
import type { ClusterReply, NodeFacts } from '../../cluster/cluster-machine.ts'
import { readJson, writeJson } from '../../cluster/cluster-machine.ts'
import { type Clock, sleep } from '../../env/clock.ts'
import type { Logger } from '../../env/logger.ts'
import type { Address } from '../../env/network.ts'
import { RequestKind } from '../../replica/request-kinds.ts'
import type { Transport } from '../../replica/transport/transport.ts'

const PAUSE_MS_MIN = 100
const PAUSE_MS_MAX = 2_000
/** A warning once in this many rounds: the node goes on asking, since the others may just be starting. */
const ROUNDS_PER_WARNING = 10
/** A node that is frozen accepts connections and says nothing: the next one is asked. */
const ASK_TIMEOUT_MS = 3_000

export type Joined = { readonly replicaId: ReplicaId; readonly catalog: Catalog }

/** Asks the addresses in turn until one answers; ends only with membership, a refusal or cancellation. */
export async function joinCluster(
  world: { readonly transport: Transport; readonly clock: Clock; readonly logger: Logger },
  addresses: readonly Address[],
  node: NodeFacts,
  isCancelled: () => boolean,
): Promise<Joined> {
  for (let round = 0; !isCancelled(); round++) {
    for (const address of addresses) {
      if (isCancelled()) break
      const reply = await ask(world, address, node)
      if (reply?.kind === 'joined') return reply
      if (reply?.kind === 'refused')
        throw storageError('joinRefused', {
          message: `the cluster at ${address.host}:${address.port} refused this node: ${reply.reason}`,
        })
    }
    if (round % ROUNDS_PER_WARNING === ROUNDS_PER_WARNING - 1) {
      world.logger.warning('no node of the cluster to join answers; asking again', {
        addresses,
        rounds: round + 1,
      })
    }
    await sleep(world.clock, Math.min(PAUSE_MS_MAX, PAUSE_MS_MIN * 2 ** Math.min(round, 5)))
  }
  throw storageError('cancelled', { message: 'the node was stopped before it could join' })
}

/** null: no answer, or none yet. Asking again is harmless: the join token names this directory. */
function ask(
  { transport, clock }: { readonly transport: Transport; readonly clock: Clock },
  address: Address,
  node: NodeFacts,
): Promise<ClusterReply | null> {
  return new Promise((resolve) => {
    const giveUp = transport.requestAt(
      RequestKind.join,
      address,
      (writer) => writeJson(writer, node),
      (body: ByteReader | null) => {
        patience.cancel()
        resolve(body === null ? null : (readJson(body) as ClusterReply))
      },
    )
    const patience = clock.setTimer(ASK_TIMEOUT_MS, giveUp)
  })
}
