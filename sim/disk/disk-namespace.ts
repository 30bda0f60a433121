/**
 * Names on the simulated disk. Every creation, rename and removal is one atomic change; until
 * `syncDirectory` of each folder it touches, a crash may undo it. Undone changes are chosen freely,
 * except that changes to one name are undone from the last backwards, as every journal does.
 */
import assert from 'node:assert/strict'
import { DiskFault } from '../../src/env/disk.ts'
import type { SimRandom } from '../world/random.ts'
import { SimInode } from './disk-inode.ts'

type Node = SimInode | 'directory'
type Change = {
  readonly sequence: number
  /** Name → what it is afterwards. */
  readonly after: ReadonlyMap<string, Node | null>
  /** Folders that still have to be synced. */
  readonly unsynced: Set<string>
}

export class SimNamespace {
  #current = new Map<string, Node>()
  #durable = new Map<string, Node>()
  #changes: Change[] = []
  #sequence = 0

  create(path: string): SimInode {
    const name = normal(path)
    if (this.#current.has(name)) throw new DiskFault('open', path, 'EEXIST')
    this.#mustHaveParent(name, 'open')
    const inode = new SimInode()
    this.#change([[name, inode]])
    return inode
  }

  /** A durable name for a new file. */
  put(path: string): SimInode {
    const name = normal(path)
    this.#mustHaveParent(name, 'open')
    const inode = new SimInode()
    this.#current.set(name, inode)
    this.#durable.set(name, inode)
    return inode
  }

  lookupFile(path: string): SimInode {
    const node = this.#current.get(normal(path))
    if (node === undefined) throw new DiskFault('open', path, 'ENOENT')
    if (node === 'directory') throw new DiskFault('open', path, 'EISDIR')
    return node
  }

  mustFile(path: string): SimInode {
    const node = this.#current.get(normal(path))
    assert(node instanceof SimInode, `no file ${path}`)
    return node
  }

  rename(from: string, to: string): void {
    const source = normal(from)
    const target = normal(to)
    const node = this.#current.get(source)
    if (node === undefined) throw new DiskFault('rename', from, 'ENOENT')
    this.#mustHaveParent(target, 'rename')
    if (source === target) return
    const replaced = this.#current.get(target)
    if (node === 'directory') {
      if (replaced instanceof SimInode) throw new DiskFault('rename', to, 'ENOTDIR')
      if (replaced !== undefined && this.#under(target).length > 0)
        throw new DiskFault('rename', to, 'ENOTEMPTY')
      const moves: [string, Node | null][] = [
        [source, null],
        [target, 'directory'],
      ]
      for (const child of this.#under(source)) {
        moves.push([child, null], [target + child.slice(source.length), this.#current.get(child) as Node])
      }
      this.#change(moves, [source, target])
      return
    }
    if (replaced === 'directory') throw new DiskFault('rename', to, 'EISDIR')
    this.#change([
      [source, null],
      [target, node],
    ])
  }

  remove(path: string): void {
    const name = normal(path)
    const node = this.#current.get(name)
    if (node === undefined) throw new DiskFault('remove', path, 'ENOENT')
    if (node === 'directory') throw new DiskFault('remove', path, 'EISDIR')
    this.#change([[name, null]])
  }

  makeDirectory(path: string): void {
    const name = normal(path)
    if (name === '') return
    this.makeDirectory(parentOf(name))
    const node = this.#current.get(name)
    if (node instanceof SimInode) throw new DiskFault('makeDirectory', path, 'EEXIST')
    if (node === undefined) this.#change([[name, 'directory']])
  }

  removeDirectory(path: string): void {
    const name = normal(path)
    const node = this.#current.get(name)
    if (node === undefined && name !== '') return
    if (node instanceof SimInode) throw new DiskFault('remove', path, 'ENOTDIR')
    for (const child of this.#under(name).reverse()) this.#change([[child, null]])
    if (name !== '') this.#change([[name, null]])
  }

  list(path: string): readonly string[] {
    const name = normal(path)
    if (this.#current.get(name) instanceof SimInode) throw new DiskFault('list', path, 'ENOTDIR')
    const names: string[] = []
    for (const child of this.#current.keys()) {
      if (parentOf(child) === name) names.push(child.slice(name === '' ? 0 : name.length + 1))
    }
    return names.sort()
  }

  exists(path: string): boolean {
    const name = normal(path)
    return name === '' || this.#current.has(name)
  }

  paths(): string[] {
    return [...this.#current]
      .filter(([, node]) => node !== 'directory')
      .map(([name]) => name)
      .sort()
  }

  usedBytes(): number {
    let bytes = 0
    for (const node of this.#current.values()) if (node !== 'directory') bytes += node.size
    return bytes
  }

  /** What a syncDirectory that begins now covers. */
  directorySyncPoint(path: string): number {
    const name = normal(path)
    if (name !== '' && this.#current.get(name) !== 'directory') {
      throw new DiskFault('syncDirectory', path, this.#current.has(name) ? 'ENOTDIR' : 'ENOENT')
    }
    return this.#sequence
  }

  syncDirectory(path: string, last: number): void {
    const folder = normal(path)
    for (const change of this.#changes) if (change.sequence <= last) change.unsynced.delete(folder)
    // A durable change carries the earlier changes to its names with it.
    const kept: Change[] = []
    const pinned = new Set<string>()
    for (const change of this.#changes.toReversed()) {
      const names = [...change.after.keys()]
      if (change.unsynced.size === 0 || names.some((name) => pinned.has(name))) {
        for (const name of names) pinned.add(name)
      } else {
        kept.unshift(change)
      }
    }
    const stillOpen = new Set(kept)
    for (const change of this.#changes) if (!stillOpen.has(change)) applyTo(this.#durable, change)
    this.#changes = kept
  }

  crash(random: SimRandom): void {
    const undoneNames = new Set<string>()
    const keep = random.pick([0, 0.5, 0.9, 1])
    for (const change of this.#changes) {
      const names = [...change.after.keys()]
      const dependsOnUndone = names.some((name) => undoneNames.has(name))
      if (!dependsOnUndone && random.chance(keep)) applyTo(this.#durable, change)
      else for (const name of names) undoneNames.add(name)
    }
    this.#changes = []
    for (const name of [...this.#durable.keys()].sort()) {
      const parent = parentOf(name)
      if (parent !== '' && this.#durable.get(parent) !== 'directory') this.#durable.delete(name)
    }
    this.#current = new Map(this.#durable)
    for (const name of [...this.#durable.keys()].sort()) {
      const node = this.#durable.get(name) as Node
      if (node !== 'directory') node.crash(random)
    }
  }

  lose(path: string): void {
    const name = normal(path)
    // Who died before the folder was synced: what it did there may have become durable all the same.
    this.syncDirectory(parentOf(name), this.#sequence)
    assert(
      this.#changes.every((change) => !change.after.has(name)),
      `${path} is not at rest`,
    )
    this.#current.delete(name)
    this.#durable.delete(name)
  }

  clone(): SimNamespace {
    const copies = new Map<SimInode, SimInode>()
    const copyOf = <Kind extends Node | null>(node: Kind): Kind => {
      if (!(node instanceof SimInode)) return node
      const copy = copies.get(node) ?? node.clone()
      copies.set(node, copy)
      return copy as Kind
    }
    const copy = new SimNamespace()
    for (const [name, node] of this.#current) copy.#current.set(name, copyOf(node))
    for (const [name, node] of this.#durable) copy.#durable.set(name, copyOf(node))
    copy.#sequence = this.#sequence
    copy.#changes = this.#changes.map((change) => ({
      sequence: change.sequence,
      after: new Map([...change.after].map(([name, node]) => [name, copyOf(node)])),
      unsynced: new Set(change.unsynced),
    }))
    return copy
  }

  #change(after: [string, Node | null][], touched: string[] = after.map(([name]) => name)): void {
    const change = {
      sequence: ++this.#sequence,
      after: new Map(after),
      unsynced: new Set(touched.map(parentOf)),
    }
    this.#changes.push(change)
    applyTo(this.#current, change)
  }

  #under(name: string): string[] {
    const prefix = name === '' ? '' : `${name}/`
    return [...this.#current.keys()].filter((child) => child.startsWith(prefix)).sort()
  }

  #mustHaveParent(name: string, operation: 'open' | 'rename'): void {
    const parent = parentOf(name)
    if (parent === '') return
    const node = this.#current.get(parent)
    if (node === undefined) throw new DiskFault(operation, name, 'ENOENT')
    if (node !== 'directory') throw new DiskFault(operation, name, 'ENOTDIR')
  }
}

function applyTo(names: Map<string, Node>, change: Change): void {
  for (const [name, node] of change.after) {
    if (node === null) names.delete(name)
    else names.set(name, node)
  }
}

/** Paths as callers write them, normalised: a run has few, and uses them over and over. */
const normalPaths = new Map<string, string>()
const NORMAL_PATHS_MAX = 10_000

function normal(path: string): string {
  const known = normalPaths.get(path)
  if (known !== undefined) return known
  if (normalPaths.size >= NORMAL_PATHS_MAX) normalPaths.clear()
  const name = normalise(path)
  normalPaths.set(path, name)
  return name
}

function normalise(path: string): string {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.')
  assert(!parts.includes('..'), `${path} leaves the data directory`)
  return parts.join('/')
}

function parentOf(name: string): string {
  const slash = name.lastIndexOf('/')
  return slash < 0 ? '' : name.slice(0, slash)
}
