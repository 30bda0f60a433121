/**
 * This node's copy of the catalog: read from its own replica of the control group whenever that
 * has applied something. It may lag behind the leader's, never run ahead of what is committed.
 */
import type { ByteString } from '../../base/bytes.ts'
import type { ReplicaId } from '../../base/ids.ts'
import { type Catalog, decodeCatalog } from '../../cluster/catalog.ts'
import { CATALOG_KEY } from '../../cluster/cluster-machine.ts'
import type { StateStore } from '../../replica/state/state-store.ts'

export class CatalogWatcher {
  readonly #self: ReplicaId
  readonly #onCatalog: (catalog: Catalog) => void
  readonly #onFailure: (error: unknown) => void
  #encoded: ByteString | null = null
  #catalog: Catalog | null = null
  #isReading = false
  #isStale = false

  constructor(self: ReplicaId, onCatalog: (catalog: Catalog) => void, onFailure: (error: unknown) => void) {
    this.#self = self
    this.#onCatalog = onCatalog
    this.#onFailure = onFailure
  }

  /** null until the first one was seen. */
  get catalog(): Catalog | null {
    return this.#catalog
  }

  /** What the cluster told a joining node, until its own replica knows better. */
  seed(catalog: Catalog): void {
    this.#catalog = catalog
    this.#onCatalog(catalog)
  }

  /** The control group applied something: look. */
  refresh(store: StateStore): void {
    const known = store.get(CATALOG_KEY)
    if (known !== undefined) {
      this.#take(known)
      return
    }
    this.#isStale = true
    if (!this.#isReading) this.#read(store)
  }

  #read(store: StateStore): void {
    this.#isReading = true
    this.#isStale = false
    store.fetch([CATALOG_KEY], []).then(
      ({ values }) => {
        this.#isReading = false
        // The cache keeps only what it has room for.
        const known = store.get(CATALOG_KEY)
        const found = known !== undefined ? known : values.get(CATALOG_KEY)
        if (found !== undefined) this.#take(found)
        if (known === undefined && this.#isStale) this.#read(store)
      },
      (error: unknown) => {
        this.#isReading = false
        this.#onFailure(error)
      },
    )
  }

  #take(encoded: ByteString | null): void {
    if (encoded === null || encoded === this.#encoded) return
    this.#encoded = encoded
    const catalog = decodeCatalog(encoded)
    // A new member's replica begins with the log of the time before it joined.
    if (catalog.nextReplicaId <= this.#self) return
    this.#catalog = catalog
    this.#onCatalog(catalog)
  }
}
