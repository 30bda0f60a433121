/** The part of `rocksdb-native` 3.18 that the engine uses; the package ships no types. */
declare module 'rocksdb-native' {
  export type RocksRange = { gte?: Buffer; lt?: Buffer; limit?: number }
  export type RocksOptions = {
    readonly tableBlockSize?: number
    readonly writeBufferSize?: number
    readonly maxBackgroundJobs?: number
    readonly walRecoveryMode?: number
  }
  export interface RocksReadBatch {
    get(key: Buffer): Promise<Buffer | null>
    /** Starts the reads; each `get` settles on its own. */
    tryFlush(): void
  }
  export interface RocksWriteBatch {
    tryPut(key: Buffer, value: Buffer): void
    tryDelete(key: Buffer): void
    tryDeleteRange(from: Buffer, to: Buffer): void
    flush(): Promise<void>
    destroy(): void
  }
  export interface RocksIterator {
    on(event: 'data', listener: (record: { readonly key: Buffer; readonly value: Buffer }) => void): this
    on(event: 'error', listener: (error: Error) => void): this
    on(event: 'close', listener: () => void): this
  }
  export default class RocksDB {
    constructor(path: string, options?: RocksOptions)
    static readonly constants: { readonly walRecoveryMode: { readonly POINT_IN_TIME: number } }
    ready(): Promise<void>
    close(): Promise<void>
    read(options: { readonly capacity: number; readonly autoDestroy: boolean }): RocksReadBatch
    write(options: { readonly capacity: number; readonly autoDestroy: boolean }): RocksWriteBatch
    iterator(range: RocksRange, options: { readonly capacity: number }): RocksIterator
    snapshot(): RocksDB
    flush(): Promise<void>
    getProperty(name: string): Promise<string | null>
  }
}
