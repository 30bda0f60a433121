/**
 * The Prometheus text format, rendered from plain numbers. Our metrics are all readings of a
 * status, so a registry would hold every number twice.
 *
 *   # HELP name help
 *   # TYPE name counter|gauge
 *   name{label="value"} 1.5
 */
import assert from 'node:assert/strict'

export type Metric = {
  /** Base units (seconds, bytes); counters end in `_total`. */
  readonly name: string
  readonly kind: 'counter' | 'gauge'
  readonly help: string
  readonly samples: readonly Sample[]
}

export type Sample = { readonly labels: Readonly<Record<string, string>>; readonly value: number }

const NAME_PATTERN = /^[a-z][a-z0-9_]*$/

export function renderMetrics(metrics: readonly Metric[]): string {
  const names = new Set<string>()
  let text = ''
  for (const { name, kind, help, samples } of metrics) {
    assert(NAME_PATTERN.test(name), `not a metric name: ${name}`)
    assert(!names.has(name), `metric ${name} stands twice`)
    assert((kind === 'counter') === name.endsWith('_total'), `${name} and its kind disagree`)
    names.add(name)
    text += `# HELP ${name} ${escapeHelp(help)}\n# TYPE ${name} ${kind}\n`
    for (const sample of samples)
      text += `${name}${renderLabels(sample.labels)} ${renderValue(sample.value)}\n`
  }
  return text
}

function renderLabels(labels: Sample['labels']): string {
  const parts = Object.entries(labels).map(([name, value]) => {
    assert(NAME_PATTERN.test(name), `not a label name: ${name}`)
    return `${name}="${escapeLabel(value)}"`
  })
  return parts.length === 0 ? '' : `{${parts.join(',')}}`
}

function renderValue(value: number): string {
  if (Number.isNaN(value)) return 'NaN'
  return Number.isFinite(value) ? String(value) : value > 0 ? '+Inf' : '-Inf'
}

function escapeHelp(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
}

function escapeLabel(text: string): string {
  return escapeHelp(text).replaceAll('"', '\\"')
}
