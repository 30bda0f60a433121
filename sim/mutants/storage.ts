/** Bugs of the log on disk: synced too late, believed too much, thrown away too early. */
import { edit, type Mutant } from './mutant.ts'

const LOG = 'src/storage/log/segmented-log.ts'

export const STORAGE_MUTANTS: readonly Mutant[] = [
  {
    name: 'log-without-sync',
    source: 'Jepsen NATS 2.12.1: lazy fsync',
    edits: [
      edit(
        LOG,
        'active.file.writeAndSync([bytes], this.#offset)',
        'active.file.write([bytes], this.#offset)',
      ),
    ],
  },
  {
    name: 'sync-tried-again-after-failure',
    source: 'fsyncgate, PostgreSQL 2018',
    edits: [
      edit(
        LOG,
        'active.file.writeAndSync([bytes], this.#offset)',
        'active.file.writeAndSync([bytes], this.#offset).catch(() => active.file.datasync())',
      ),
    ],
  },
  {
    name: 'acknowledged-beside-the-sync',
    source: 'etcd#14370: acknowledged before the log is synced',
    edits: [
      edit(
        LOG,
        'return active.file.writeAndSync([bytes], this.#offset).then(() => {',
        'const synced = active.file.writeAndSync([bytes], this.#offset)\n    void synced.catch(() => {})\n    return Promise.resolve().then(() => {',
      ),
    ],
  },
  {
    name: 'rotten-taken-for-torn',
    source: 'Protocol-Aware Recovery, FAST 2018',
    edits: [
      edit(
        'src/storage/log/log-recovery.ts',
        '    info.isDamaged = true\n    this.#lose(piece.groups, { path: segment.path, offset: piece.offset, detail: piece.detail })',
        '    info.isDamaged = piece.offset < 0 && segment === null',
      ),
    ],
  },
  {
    name: 'bad-checksum-taken-for-torn',
    source: 'Protocol-Aware Recovery, FAST 2018: a last frame that was written whole',
    edits: [
      edit(
        'src/storage/log/segment-scan.ts',
        "if (missing === 0) return { kind: 'rotten', detail: `wrong checksum of frame ${number}, all of it written` }",
        "if (missing === 0) return { kind: 'torn' }",
      ),
    ],
  },
  {
    name: 'frame-checksum-not-compared',
    source: 'eRaft: files without checksums',
    edits: [
      edit(
        'src/storage/log/segment-scan.ts',
        'const isRight = crc32(frame.subarray(FRAME_HEADER_BYTES, end), crc) === header.frameCrc',
        'const isRight = end >= FRAME_HEADER_BYTES',
      ),
    ],
  },
  {
    name: 'abandoned-tail-comes-back',
    source: 'fsyncgate: what was never acknowledged is found after a restart',
    edits: [
      edit(
        'src/storage/log/log-recovery.ts',
        '        nextLimit = start.end\n',
        '        nextLimit = null\n',
      ),
    ],
  },
  {
    name: 'segment-name-not-synced',
    source: 'ext4: a new name is durable only when its directory is synced',
    edits: [
      edit(
        'src/storage/log/segment-files.ts',
        '    await this.#disk.syncDirectory(this.directory)\n    const file',
        '    const file',
      ),
    ],
  },
  {
    // Not the copies alone: the floor is behind them in the one log, so whoever waits for it waits for both.
    name: 'segment-removed-beside-its-copies',
    source: 'LevelDB, RocksDB: the old file goes before the new one is synced',
    edits: [
      edit(
        'src/storage/log/log-garbage.ts',
        'if (records.length > 0) await context.append(records)',
        'if (records.length > 0) void context.append(records).catch(() => {})',
      ),
      edit(
        'src/storage/log/log-garbage.ts',
        'await context.raiseFloor((free.at(-1) as SegmentInfo).number + 1)',
        'void context.raiseFloor((free.at(-1) as SegmentInfo).number + 1).catch(() => {})',
      ),
    ],
  },
  {
    name: 'segment-removed-before-the-floor-is-durable',
    source: 'docs/formats/log.md: the order in which a segment goes',
    edits: [
      edit(
        'src/storage/log/log-garbage.ts',
        'await context.raiseFloor((free.at(-1) as SegmentInfo).number + 1)',
        'void context.raiseFloor((free.at(-1) as SegmentInfo).number + 1).catch(() => {})',
      ),
    ],
  },
  {
    name: 'last-frame-not-carried-over',
    source: 'recovery that drops an acknowledged tail: Redis-Raft, Jepsen 2020',
    edits: [
      edit(
        'src/storage/log/log-recovery.ts',
        '      this.#applyRecord(record, place)\n      this.carried.push(',
        '      this.#applyRecord(record, place)\n      if (place.offset < 0) this.carried.push(',
      ),
    ],
  },
]
