/**
 * Reads a YAML configuration file into option texts, and says of everything it can't take where
 * it stands. It knows names and YAML types; whether a value is allowed is decided where all
 * sources meet (resolve-options.ts).
 *
 * YAML is loaded only when there is a file: it would cost every other start some 30 ms.
 */
import type * as YamlModule from 'yaml'
import type { LineCounter, Node, Pair } from 'yaml'
import type { OptionProblem } from './option-problem.ts'
import { isOptionName, mayStandInFile, OPTION_NAMES, type OptionName, specOf } from './option-table.ts'
import { suggest } from './suggest.ts'
import type { YamlType } from './value-kinds.ts'

export const CONFIG_FILE_BYTES_MAX = 1_048_576

export type FileEntry = { readonly text: string; readonly line: number; readonly column: number }

export type ConfigFile = {
  readonly path: string
  readonly entries: ReadonlyMap<OptionName, FileEntry>
  readonly problems: readonly OptionProblem[]
}

type Yaml = typeof YamlModule

/** `path` is for messages only; the caller has read the text. */
export async function parseConfigFile(path: string, text: string): Promise<ConfigFile> {
  const yaml = await import('yaml')
  const reader = new ConfigReader(yaml, path)
  reader.read(text)
  return { path, entries: reader.entries, problems: reader.problems }
}

class ConfigReader {
  readonly entries = new Map<OptionName, FileEntry>()
  readonly problems: OptionProblem[] = []
  readonly #yaml: Yaml
  readonly #path: string
  readonly #lines: LineCounter

  constructor(yaml: Yaml, path: string) {
    this.#yaml = yaml
    this.#path = path
    this.#lines = new yaml.LineCounter()
  }

  read(text: string): void {
    const document = this.#yaml.parseDocument(text, { lineCounter: this.#lines, prettyErrors: false })
    for (const error of document.errors) this.#report(error.pos[0], firstLine(error.message))
    if (document.errors.length > 0 || document.contents === null) return
    if (!this.#yaml.isMap(document.contents)) {
      this.#report(
        document.contents.range?.[0] ?? 0,
        'the file is not a list of options',
        'write one "name: value" per line',
      )
      return
    }
    for (const pair of document.contents.items) {
      this.#readPair(pair as Pair<Node, Node | null>, (node) =>
        this.#yaml.isAlias(node) ? (node.resolve(document) as Node | undefined) : node,
      )
    }
  }

  #readPair(pair: Pair<Node, Node | null>, resolve: (node: Node) => Node | undefined): void {
    const keyOffset = pair.key.range?.[0] ?? 0
    const name = this.#yaml.isScalar(pair.key) ? String(pair.key.value) : ''
    if (!isOptionName(name)) return this.#reportUnknown(keyOffset, name)
    if (!mayStandInFile(name)) {
      return this.#report(
        keyOffset,
        `option ${name} can't stand in a file`,
        'it is a flag or an environment variable',
      )
    }
    const node = pair.value === null ? undefined : resolve(pair.value)
    const offset = pair.value?.range?.[0] ?? keyOffset
    const types = specOf(name).kind.yamlTypes
    const found = node === undefined ? 'nothing' : this.#typeOf(node)
    const text = node === undefined ? null : this.#textOf(node)
    if (text === null || !types.includes(found as YamlType)) {
      const hint =
        types.includes('text') && (found === 'number' || found === 'boolean') ? ' (put it in quotes)' : ''
      const shown = found === 'nothing' ? 'has no value' : `is ${withArticle(found)}`
      return this.#report(offset, `option ${name} ${shown}${hint}`, `it must be ${specOf(name).kind.allowed}`)
    }
    const { line, col } = this.#lines.linePos(offset)
    this.entries.set(name, { text, line, column: col })
  }

  #typeOf(node: Node): YamlType | 'map' | 'nothing' {
    if (this.#yaml.isSeq(node)) return 'list'
    if (!this.#yaml.isScalar(node)) return 'map'
    if (node.value === null) return 'nothing'
    if (typeof node.value === 'number') return 'number'
    return typeof node.value === 'boolean' ? 'boolean' : 'text'
  }

  /** As it would be written in a flag; null when it could not be. */
  #textOf(node: Node): string | null {
    if (this.#yaml.isScalar(node)) {
      const { value } = node
      return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
        ? `${value}`
        : null
    }
    if (!this.#yaml.isSeq(node) || node.items.length === 0) return null
    const parts: string[] = []
    for (const item of node.items) {
      if (!this.#yaml.isScalar(item) || typeof item.value !== 'string' || item.value.includes(','))
        return null
      parts.push(item.value)
    }
    return parts.join(',')
  }

  #reportUnknown(offset: number, name: string): void {
    const nearest = suggest(
      name.replaceAll(/([a-z])([A-Z])|_/g, '$1-$2').toLowerCase(),
      OPTION_NAMES.filter(mayStandInFile),
    )
    const hint = nearest === null ? 'docs/reference/options.md lists all options' : `did you mean ${nearest}?`
    this.#report(
      offset,
      name === '' ? 'this is not the name of an option' : `there is no option ${name}`,
      hint,
    )
  }

  #report(offset: number, message: string, allowed: string | null = null): void {
    const { line, col } = this.#lines.linePos(offset)
    this.problems.push({ where: `${this.#path}:${line}:${col}`, message, allowed })
  }
}

function firstLine(text: string): string {
  return (text.split('\n')[0] ?? '').replace(/[.:]$/, '')
}

function withArticle(type: YamlType | 'map' | 'nothing'): string {
  return type === 'text' ? 'text' : `a ${type}`
}
