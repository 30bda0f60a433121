/** The tables of `npm run bench`, in Markdown, and their place in docs/performance.md. */
import assert from 'node:assert/strict'
import type { LoadTest } from '../src/cli/bench/resp-requests.ts'
import type { CrossCheck } from './cross-check.ts'
import type { DiskRate } from './disk-rate.ts'
import { type Cell, type Figure, type Rounds, type Summary, summarize } from './rounds.ts'
import { SUBJECTS, type SubjectName } from './subjects.ts'
import { TARGETS, type Target } from './targets.ts'

export type Report = {
  /** Machine, versions, settings: each a name and what it is. */
  readonly circumstances: readonly (readonly [name: string, value: string])[]
  readonly subjects: readonly SubjectName[]
  readonly loads: readonly { readonly test: LoadTest; readonly pipeline: number }[]
  readonly disk: readonly DiskRate[]
  /** Milliseconds of processor time in a second without load. */
  readonly idleCpuMs: Readonly<Partial<Record<SubjectName, number>>>
  readonly crossChecks: readonly CrossCheck[]
}

const BEGIN = '<!-- bench:begin: written by npm run bench -- --write -->'
const END = '<!-- bench:end -->'
const DASH = '–'

export function renderReport(report: Report, rounds: Rounds): string {
  return [
    table(['circumstance', ''], report.circumstances),
    diskLine(report.disk),
    table(
      ['store', 'what an answered write means', 'CPU without load, ms/s'],
      report.subjects.map((name) => [name, SUBJECTS[name], report.idleCpuMs[name]?.toFixed(1) ?? DASH]),
    ),
    ...report.loads.map((load) => loadTable(load, report.subjects, rounds)),
    targetTable(rounds),
    crossCheckTable(report.crossChecks, rounds),
  ]
    .filter((part) => part !== '')
    .join('\n')
}

/** The page with the text between its markers replaced. */
export function placeBetweenMarkers(page: string, text: string): string {
  const begin = page.indexOf(BEGIN)
  const end = page.indexOf(END)
  assert(begin !== -1 && end > begin, `the page needs the lines ${BEGIN} and ${END}`)
  return `${page.slice(0, begin + BEGIN.length)}\n\n${text}\n${page.slice(end)}`
}

function diskLine(disk: readonly DiskRate[]): string {
  const rate = summarize(disk.map(({ syncsPerSecond }) => syncsPerSecond))
  const p50 = summarize(disk.map(({ p50Us }) => p50Us))
  const p99 = summarize(disk.map(({ p99Us }) => p99Us))
  return `The disk itself, 128 bytes appended and synced (fdatasync) in turn, once in each round: ${spread(rate, 0)} syncs/s, p50 ${p50.median.toFixed(0)} µs, p99 ${p99.median.toFixed(0)} µs.\n`
}

function loadTable(
  { test, pipeline }: { readonly test: LoadTest; readonly pipeline: number },
  subjects: readonly SubjectName[],
  rounds: Rounds,
): string {
  const rows = subjects.flatMap((subject) => {
    const cell: Cell = { subject, test, pipeline }
    const show = (figure: Figure, digits: number): string => spread(rounds.summary(cell, figure), digits)
    const worstMs = rounds.worstMs(cell)
    if (worstMs === null) return []
    return [
      [
        subject,
        show('requestsPerSecond', 0),
        show('p50Ms', 2),
        show('p99Ms', 2),
        worstMs.toFixed(0),
        show('cpuUsPerRequest', 1),
        rounds.summary(cell, 'residentMib')?.median.toFixed(0) ?? DASH,
      ],
    ]
  })
  const heading = `### ${test.toUpperCase()}, pipeline ${pipeline}\n\n`
  const headings = ['store', 'requests/s', 'p50 ms', 'p99 ms', 'max ms', 'server CPU, µs/request', 'RSS, MiB']
  return rows.length === 0 ? '' : heading + table(headings, rows)
}

function targetTable(rounds: Rounds): string {
  const rows = TARGETS.flatMap((target) => {
    const { cell, against, figure, better, floor, stretch } = target
    const found = against === null ? rounds.summary(cell, figure) : rounds.ratio(cell, against, figure)
    if (found === null) return []
    const sign = better === 'higher' ? '≥' : '≤'
    return [
      [
        target.what,
        String(cell.pipeline),
        `${sign} ${floor}`,
        `${sign} ${stretch}`,
        spread(found, 2),
        verdict(target, found.median),
      ],
    ]
  })
  if (rows.length === 0) return ''
  const headings = ['target', 'pipeline', 'floor', 'stretch', 'measured', '']
  return `### Targets\n\n${table(headings, rows)}`
}

function verdict({ better, floor, stretch }: Target, value: number): string {
  const reaches = (limit: number): boolean => (better === 'higher' ? value >= limit : value <= limit)
  return reaches(stretch) ? 'stretch met' : reaches(floor) ? 'met' : '**missed**'
}

function crossCheckTable(checks: readonly CrossCheck[], rounds: Rounds): string {
  if (checks.length === 0) return ''
  const rows = checks.map(({ cell, client, requestsPerSecond, p50Ms, p99Ms, cpuUsPerRequest }) => {
    const own = rounds.summary(cell, 'requestsPerSecond')?.median
    return [
      cell.subject,
      `${cell.test.toUpperCase()}, pipeline ${cell.pipeline}`,
      client,
      requestsPerSecond.toFixed(0),
      own === undefined ? DASH : (requestsPerSecond / own).toFixed(2),
      p50Ms.toFixed(2),
      p99Ms.toFixed(2),
      cpuUsPerRequest.toFixed(1),
    ]
  })
  const headings = [
    'store',
    'load',
    'client',
    'requests/s',
    '/ our loop',
    'p50 ms',
    'p99 ms',
    'server CPU, µs/request',
  ]
  return `### The same with the clients of the others\n\n${table(headings, rows)}`
}

function spread(summary: Summary | null, digits: number): string {
  if (summary === null) return DASH
  const show = (value: number): string => value.toFixed(digits)
  return `${show(summary.median)} (${show(summary.min)}–${show(summary.max)})`
}

function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |\n`
  return line(headings) + `|${'---|'.repeat(headings.length)}\n` + rows.map(line).join('')
}
