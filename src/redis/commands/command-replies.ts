/** Commands described as Redis' COMMAND INFO and COMMAND DOCS describe them. */
import type { CommandFlag, CommandInfo } from '../../kv/command-info.ts'
import type { Reply } from '../../kv/reply.ts'
import type { CatalogEntry } from '../command-catalog.ts'

/** Ten fields: name, arity, flags, first key, last key, step, ACL categories, tips, key specifications, subcommands. */
export function infoReply(entry: CatalogEntry): Reply {
  return describe(entry.info, entry.subcommands)
}

function describe(info: CommandInfo, subcommands: readonly CommandInfo[]): Reply {
  const keys = info.keys ?? { first: 0, last: 0, step: 0 }
  return [
    info.name,
    info.arity,
    statusSet(info.flags),
    keys.first,
    keys.last,
    keys.step,
    statusSet(categoriesOf(info)),
    { kind: 'set', members: [] },
    { kind: 'set', members: info.keys === null ? [] : [keySpecification(info)] },
    subcommands.map((subcommand) => describe(subcommand, [])),
  ]
}

export function docsReply(entry: CatalogEntry): Reply {
  return docsOf(entry.info, entry.subcommands)
}

function docsOf(info: CommandInfo, subcommands: readonly CommandInfo[]): Reply {
  const { docs } = info
  const entries: (readonly [Reply, Reply])[] = [
    ['summary', docs.summary],
    ['since', docs.since],
    ['group', docs.group],
    ['complexity', docs.complexity],
  ]
  if (subcommands.length > 0) {
    entries.push([
      'subcommands',
      { kind: 'map', entries: subcommands.map((one) => [one.name, docsOf(one, [])]) },
    ])
  }
  return { kind: 'map', entries }
}

const CATEGORY_OF_FLAG: Readonly<Partial<Record<CommandFlag, readonly string[]>>> = {
  write: ['@write'],
  readonly: ['@read'],
  admin: ['@admin', '@dangerous'],
  pubsub: ['@pubsub'],
  fast: ['@fast'],
  blocking: ['@blocking'],
}

/** ACL categories: those that follow from the flags, and the command's own. */
export function categoriesOf(info: CommandInfo): string[] {
  const categories = new Set(info.categories)
  for (const flag of info.flags) {
    for (const category of CATEGORY_OF_FLAG[flag] ?? []) categories.add(category)
  }
  if (!info.flags.includes('fast')) categories.add('@slow')
  return [...categories].sort()
}

/** What a command does to its keys, only roughly. */
export function keyAccess(info: CommandInfo): readonly string[] {
  return info.flags.includes('write') ? ['RW', 'access', 'update'] : ['RO', 'access']
}

/** Where the keys are: from `first` on, `lastkey` counted from there. */
function keySpecification(info: CommandInfo): Reply {
  const { first, last, step } = info.keys ?? { first: 1, last: 1, step: 1 }
  return map([
    ['flags', statusSet(keyAccess(info))],
    [
      'begin_search',
      map([
        ['type', 'index'],
        ['spec', map([['index', first]])],
      ]),
    ],
    [
      'find_keys',
      map([
        ['type', 'range'],
        [
          'spec',
          map([
            ['lastkey', last < 0 ? last : last - first],
            ['keystep', step],
            ['limit', 0],
          ]),
        ],
      ]),
    ],
  ])
}

function map(entries: readonly (readonly [Reply, Reply])[]): Reply {
  return { kind: 'map', entries }
}

function statusSet(texts: readonly string[]): Reply {
  return { kind: 'set', members: texts.map((text) => ({ kind: 'status', text }) as const) }
}
