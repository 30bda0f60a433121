/**
 * One direction between two simulated machines: how long bytes take, and what is wrong with it.
 *
 * TCP hides loss, reordering and duplication of packets from whoever reads the stream; what is left
 * of them is delay. So a blocked link loses nothing of a living connection: its bytes stall, and
 * arrive after the link is unblocked and the sender has tried again.
 */
import assert from 'node:assert/strict'
import type { Random } from '../../src/env/random.ts'

export type LinkConditions = {
  readonly minLatencyMs: number
  readonly maxLatencyMs: number
  /** How often a packet takes up to `tailLatencyMs` instead. */
  readonly tailProbability: number
  readonly tailLatencyMs: number
  readonly bytesPerMs: number
  /** How often a piece arrives with one bit changed. */
  readonly corruptProbability: number
  /** New connections over this link are answered with a refusal. */
  readonly refusesConnections: boolean
}

export const DEFAULT_CONDITIONS: LinkConditions = {
  minLatencyMs: 0.05,
  maxLatencyMs: 0.5,
  tailProbability: 0.01,
  tailLatencyMs: 20,
  bytesPerMs: 1_000_000,
  corruptProbability: 0,
  refusesConnections: false,
}

/** After an unblocked link, senders try again within this. */
const MAX_RETRANSMIT_MS = 200

export class Link {
  readonly from: string
  readonly to: string
  conditions: LinkConditions
  #isBlocked = false
  /** Called once each when the link is free again, in the order they came. */
  #stalled: (() => void)[] = []

  constructor(from: string, to: string, conditions: LinkConditions) {
    this.from = from
    this.to = to
    this.conditions = conditions
  }

  get isBlocked(): boolean {
    return this.#isBlocked
  }

  block(): void {
    this.#isBlocked = true
  }

  unblock(): void {
    this.#isBlocked = false
    for (const resume of this.#stalled.splice(0)) resume()
  }

  whenUnblocked(resume: () => void): void {
    assert(this.#isBlocked)
    this.#stalled.push(resume)
  }

  latencyMs(random: Random, byteCount: number): number {
    const { minLatencyMs, maxLatencyMs, tailProbability, tailLatencyMs, bytesPerMs } = this.conditions
    assert(minLatencyMs >= 0 && maxLatencyMs >= minLatencyMs && bytesPerMs > 0)
    const isTail = tailProbability > 0 && random.next() < tailProbability
    const spread = isTail ? tailLatencyMs : maxLatencyMs - minLatencyMs
    return minLatencyMs + random.next() * spread + byteCount / bytesPerMs
  }

  retransmitMs(random: Random): number {
    return this.conditions.minLatencyMs + random.next() * MAX_RETRANSMIT_MS
  }
}
