/** What Holdfast is to reach beside the others, fixed before it was built; printed with what was measured, met or not. */
import type { Cell, Figure } from './rounds.ts'
import type { SubjectName } from './subjects.ts'

export type Target = {
  readonly what: string
  readonly cell: Cell
  /** The figure is divided by that of the other; null: the figure itself counts. */
  readonly against: SubjectName | null
  readonly figure: Figure
  readonly better: 'higher' | 'lower'
  readonly floor: number
  readonly stretch: number
}

const one = (test: 'set' | 'get', pipeline: number): Cell => ({ subject: 'holdfast-1', test, pipeline })
const three = (test: 'set' | 'get', pipeline: number): Cell => ({ subject: 'holdfast-3', test, pipeline })
const faster = { figure: 'requestsPerSecond', better: 'higher' } as const

export const TARGETS: readonly Target[] = [
  {
    ...faster,
    what: 'SET, rate, one node / redis-always',
    cell: one('set', 1),
    against: 'redis-always',
    floor: 0.45,
    stretch: 0.7,
  },
  {
    ...faster,
    what: 'SET, rate, one node / redis-always',
    cell: one('set', 16),
    against: 'redis-always',
    floor: 0.5,
    stretch: 0.8,
  },
  {
    ...faster,
    what: 'SET, rate, three nodes / etcd-3',
    cell: three('set', 1),
    against: 'etcd-3',
    floor: 2,
    stretch: 3,
  },
  {
    ...faster,
    what: 'SET, rate, three nodes / etcd-3',
    cell: three('set', 16),
    against: 'etcd-3',
    floor: 10,
    stretch: 17,
  },
  {
    ...faster,
    what: 'SET, rate, three nodes / redis-wait-1',
    cell: three('set', 1),
    against: 'redis-wait-1',
    floor: 0.6,
    stretch: 0.9,
  },
  {
    what: 'SET, server CPU, three nodes / etcd-3',
    cell: three('set', 1),
    against: 'etcd-3',
    figure: 'cpuUsPerRequest',
    better: 'lower',
    floor: 0.7,
    stretch: 0.45,
  },
  {
    what: 'SET, p99 in ms, three nodes',
    cell: three('set', 1),
    against: null,
    figure: 'p99Ms',
    better: 'lower',
    floor: 15,
    stretch: 6,
  },
  {
    ...faster,
    what: 'GET, rate, one node / redis-memory',
    cell: one('get', 1),
    against: 'redis-memory',
    floor: 0.7,
    stretch: 0.9,
  },
  {
    ...faster,
    what: 'GET, rate, one node / redis-memory',
    cell: one('get', 16),
    against: 'redis-memory',
    floor: 0.5,
    stretch: 0.7,
  },
]
