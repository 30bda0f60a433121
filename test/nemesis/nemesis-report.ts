/** What a run found: a table for people, evidence for whoever looks into it. */
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Fault } from './faults/fault.ts'
import { distribution } from './gap-watch.ts'
import type { RoundResult } from './nemesis-round.ts'
import type { NemesisWorld } from './nemesis-world.ts'

type Row = {
  rounds: number
  calls: number
  unknown: number
  pausesMs: number[]
  healedMs: number[]
  bad: number
}
type Memory = ReturnType<NemesisWorld['memory']>

const FINDINGS_SHOWN = 20
const FINDING_CHARS_SHOWN = 1_500

export class NemesisReport {
  readonly #seed: number
  readonly #faults: readonly Fault[]
  readonly #evidence: string
  readonly #rows = new Map<string, Row>()
  readonly #findings: string[] = []
  readonly #memory: Memory[] = []
  #numbered = { acknowledged: 0, unknown: 0 }

  constructor({ seed, faults, evidence }: { seed: number; faults: readonly Fault[]; evidence: string }) {
    this.#seed = seed
    this.#faults = faults
    this.#evidence = evidence
  }

  get isBad(): boolean {
    return this.#findings.length > 0
  }

  add(result: RoundResult): void {
    for (const name of result.faults) {
      const row = this.#rows.get(name) ?? {
        rounds: 0,
        calls: 0,
        unknown: 0,
        pausesMs: [],
        healedMs: [],
        bad: 0,
      }
      row.rounds += 1
      row.calls += result.calls
      row.unknown += result.unknown
      row.pausesMs.push(result.pauseMs)
      row.healedMs.push(result.healedMs)
      if (result.findings.length > 0) row.bad += 1
      this.#rows.set(name, row)
    }
    const where = `round ${result.round} (${result.faults.join(' + ')}; ${result.whom})`
    this.finding(...result.findings.map((finding) => `${where}: ${finding}`))
  }

  finding(...findings: readonly string[]): void {
    this.#findings.push(...findings)
  }

  memory(memory: Memory): void {
    this.#memory.push(memory)
  }

  numbered(acknowledged: number, unknown: number, violations: readonly string[]): void {
    this.#numbered = { acknowledged, unknown }
    this.finding(...violations)
  }

  line(result: RoundResult): string {
    const { round, faults, whom, calls, unknown, pauseMs, healedMs, verdict, findings } = result
    return (
      `round ${round}: ${faults.join(' + ')} (${whom}): ${calls} calls, ${unknown} unknown, ` +
      `no write for ${Math.round(pauseMs)} ms, whole after ${Math.round(healedMs)} ms, ${verdict}` +
      `${findings.length > 0 ? `, ${findings.length} findings: ${findings[0]?.slice(0, FINDING_CHARS_SHOWN)}` : ''}`
    )
  }

  /** What a later run needs to look at the same. */
  async keepEvidence(result: RoundResult, world: NemesisWorld): Promise<void> {
    const directory = join(this.#evidence, `round-${result.round}`)
    await mkdir(directory, { recursive: true })
    const { histories, ...facts } = result
    await writeFile(join(directory, 'round.json'), JSON.stringify(facts, null, 2))
    for (const [at, history] of histories.entries())
      await writeFile(
        join(directory, `history-${at}.json`),
        JSON.stringify({ keyCount: history.keyCount, calls: history.calls }),
      )
    await writeFile(join(directory, 'logs.txt'), world.cluster.logs())
  }

  /** Keeps the evidence only if there is any. */
  async finish(): Promise<void> {
    if (!this.isBad) await rm(this.#evidence, { recursive: true, force: true })
  }

  table(): string {
    const cells = (...values: readonly (string | number)[]): string =>
      values.map((value) => String(value).padStart(9)).join('')
    const rows = this.#faults.flatMap(({ name }) => {
      const row = this.#rows.get(name)
      if (row === undefined) return []
      const pause = distribution(row.pausesMs)
      const healed = distribution(row.healedMs)
      const verdict = row.bad === 0 ? 'good' : `${row.bad} bad`
      return [
        `${name.padEnd(16)}${cells(row.rounds, row.calls, row.unknown, pause.p50, pause.max, healed.p50, healed.max)}  ${verdict}\n`,
      ]
    })
    const { acknowledged, unknown } = this.#numbered
    return (
      `seed ${this.#seed}\n${'ms'.padEnd(16)}` +
      `${cells('rounds', 'calls', 'unknown', 'pause p50', ' max', 'whole p50', ' max')}\n${rows.join('')}` +
      `numbered writes: ${acknowledged} acknowledged, ${unknown} unknown\n${this.#memoryLine()}` +
      (this.isBad
        ? `${this.#findings.length} findings, evidence in ${this.#evidence}\n${this.#findings
            .slice(0, FINDINGS_SHOWN)
            .map((finding) => `- ${finding.slice(0, FINDING_CHARS_SHOWN)}\n`)
            .join('')}`
        : 'every answer has its explanation, nothing acknowledged is lost, all replicas are equal\n')
    )
  }

  json(): string {
    return JSON.stringify(
      {
        seed: this.#seed,
        faults: Object.fromEntries(this.#rows),
        numbered: this.#numbered,
        memory: this.#memory.map((memory) => Object.fromEntries(memory)),
        findings: this.#findings,
      },
      null,
      2,
    )
  }

  #memoryLine(): string {
    const parts = [...(this.#memory[0]?.keys() ?? [])].map((id) => {
      const seen = this.#memory.flatMap((memory) => memory.get(id) ?? [])
      const [first, last] = [seen[0], seen.at(-1)]
      const most = Math.max(...seen.map(({ residentMib }) => residentMib))
      return `${id} ${first?.residentMib} → ${last?.residentMib} MiB (at most ${most}), ${first?.files} → ${last?.files} files`
    })
    return `memory: ${parts.join('; ')}\n`
  }
}
