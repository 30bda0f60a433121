/**
 * The disk of one node as a test sees it: it can fail, be slow, be full, and lose what was not synced.
 *
 * Failing and being slow is the fault shim's (fault-shim.c), losing the power-cut shim's; being full is
 * real, on a small file system of the node's own, when there is one (tmpfs, so that needs root and a
 * mount namespace).
 */
import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { execFile } from 'node:child_process'
import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { mkdir, open } from 'node:fs/promises'
import { constants } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { compileC } from '../compile-c.ts'
import { buildShim } from '../power-cut/build-shim.ts'
import { type CutReport, cutPower, type PowerCut, shimEnvironment } from '../power-cut/power-cut.ts'

const SOURCE = fileURLToPath(new URL('fault-shim.c', import.meta.url))
const CONTROL_BYTES = 32
const FAILED_AT = 24
const PPM = 1_000_000
/** The segments that a failing disk makes the log abandon, until they are removed, are 64 MiB each. */
const DISK_MIB = 1_024
const FILLER_BYTES = 1024 * 1024

const run = promisify(execFile)

export type DiskTrouble = {
  readonly write?: 'EIO' | 'ENOSPC'
  readonly sync?: 'EIO' | 'ENOSPC'
  /** What creates or renames a file. */
  readonly name?: 'EIO' | 'ENOSPC' | 'EMFILE'
  /** Of those calls. */
  readonly share?: number
  readonly writeDelayMs?: number
  readonly syncDelayMs?: number
}

export class NodeDiskFaults {
  readonly directory: string
  readonly environment: Readonly<Record<string, string>>
  readonly #place: string
  readonly #control: number
  readonly #cut: Pick<PowerCut, 'directory' | 'journal' | 'stash'>
  readonly #isSmall: boolean

  constructor(
    place: string,
    controlPath: string,
    cut: Pick<PowerCut, 'directory' | 'journal' | 'stash'>,
    environment: Readonly<Record<string, string>>,
    isSmall: boolean,
  ) {
    this.#place = place
    this.directory = cut.directory
    this.#control = openSync(controlPath, 'r+')
    this.#cut = cut
    this.environment = environment
    this.#isSmall = isSmall
  }

  fail({ write, sync, name, share = 1, writeDelayMs = 0, syncDelayMs = 0 }: DiskTrouble): void {
    const words = Uint32Array.of(
      numberOf(write),
      numberOf(sync),
      numberOf(name),
      share * PPM,
      writeDelayMs * 1_000,
      syncDelayMs * 1_000,
    )
    writeSync(this.#control, Buffer.from(words.buffer), 0, words.byteLength, 0)
  }

  /** Calls that failed or waited since the start. */
  get troubled(): number {
    const bytes = Buffer.alloc(CONTROL_BYTES)
    assert.equal(readSync(this.#control, bytes, 0, CONTROL_BYTES, 0), CONTROL_BYTES)
    return bytes.readUInt32LE(FAILED_AT) + bytes.readUInt32LE(FAILED_AT + 4)
  }

  /** To the last byte; the clients of this process go on meanwhile. */
  async fill(): Promise<void> {
    assert(this.#isSmall, 'only a small disk is filled')
    const file = await open(join(this.#place, 'filler'), 'a')
    for (let bytes = FILLER_BYTES; bytes >= 1; ) {
      try {
        const { bytesWritten } = await file.write(Buffer.alloc(bytes))
        if (bytesWritten < bytes) bytes = Math.floor(bytes / 2)
      } catch (error) {
        assert.equal((error as NodeJS.ErrnoException).code, 'ENOSPC')
        bytes = Math.floor(bytes / 2)
      }
    }
    await file.close()
  }

  free(): void {
    rmSync(join(this.#place, 'filler'), { force: true })
  }

  /** The process must be dead. */
  cutPower(keep: PowerCut['keep']): CutReport {
    return cutPower({ ...this.#cut, keep })
  }

  /** What was written until now counts as durable: else a long run remembers all it ever wrote. */
  forgetOldBytes(): void {
    truncateSync(this.#cut.journal, 0)
    const { stash = '' } = this.#cut
    for (const name of existsSync(stash) ? readdirSync(stash) : []) rmSync(join(stash, name))
  }

  /** Of what has not been forgotten. */
  get journalBytes(): number {
    return statSync(this.#cut.journal).size
  }

  async remove(): Promise<void> {
    closeSync(this.#control)
    if (this.#isSmall) await run('umount', [this.#place])
  }
}

export type NodeDiskOptions = { readonly isSmall: boolean; readonly syncsNothing: boolean }

/** `place` is the node's own; what belongs to the test lies beside it. */
export async function prepareNodeDisk(place: string, options: NodeDiskOptions): Promise<NodeDiskFaults> {
  await mkdir(place)
  if (options.isSmall) await run('mount', ['-t', 'tmpfs', '-o', `size=${DISK_MIB}m`, 'tmpfs', place])
  const controlPath = `${place}.faults`
  writeFileSync(controlPath, Buffer.alloc(CONTROL_BYTES))
  const cut = { directory: join(place, 'data'), journal: `${place}.undo`, stash: join(place, 'stash') }
  const faultShim = await compileC(SOURCE, 'library')
  const cutShim = await buildShim()
  const environment = {
    ...shimEnvironment(cutShim, cut, { syncsNothing: options.syncsNothing }),
    LD_PRELOAD: `${faultShim}:${cutShim}`,
    HOLDFAST_FAULT_DIRECTORY: cut.directory,
    HOLDFAST_FAULT_CONTROL: controlPath,
  }
  return new NodeDiskFaults(place, controlPath, cut, environment, options.isSmall)
}

function numberOf(name: 'EIO' | 'ENOSPC' | 'EMFILE' | undefined): number {
  return name === undefined ? 0 : constants.errno[name]
}
