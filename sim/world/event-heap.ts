/**
 * Events of the simulation in the order of their time, and of their insertion where times are equal.
 * That order is total, so nothing about the heap's shape can leak into a run.
 *
 * A cancelled event stays until it surfaces; when such events are the majority they are removed.
 */
import assert from 'node:assert/strict'

export type SimEvent = {
  readonly timeUs: number
  readonly sequence: number
  readonly tag: number
  /** Null once cancelled or run. */
  run: (() => void) | null
}

const MIN_CANCELLED_TO_COMPACT = 256

export class EventHeap {
  #events: SimEvent[] = []
  #cancelled = 0

  /** Events that will run. */
  get size(): number {
    return this.#events.length - this.#cancelled
  }

  push(event: SimEvent): void {
    assert(event.run !== null)
    const events = this.#events
    let index = events.length
    events.push(event)
    while (index > 0) {
      const parentIndex = (index - 1) >> 1
      const parent = events[parentIndex] as SimEvent
      if (isBefore(parent, event)) break
      events[index] = parent
      index = parentIndex
    }
    events[index] = event
  }

  /** The next event that will run; it stays in the heap. */
  peek(): SimEvent | null {
    for (;;) {
      const first = this.#events[0]
      if (first === undefined) return null
      if (first.run !== null) return first
      this.#removeFirst()
      this.#cancelled--
    }
  }

  pop(): SimEvent | null {
    const first = this.peek()
    if (first !== null) this.#removeFirst()
    return first
  }

  cancel(event: SimEvent): void {
    if (event.run === null) return
    event.run = null
    this.#cancelled++
    if (this.#cancelled < MIN_CANCELLED_TO_COMPACT || this.#cancelled * 2 < this.#events.length) return
    this.#events = this.#events.filter((candidate) => candidate.run !== null)
    this.#cancelled = 0
    for (let index = (this.#events.length >> 1) - 1; index >= 0; index--) this.#siftDown(index)
  }

  #removeFirst(): void {
    const last = this.#events.pop()
    if (last === undefined || this.#events.length === 0) return
    this.#events[0] = last
    this.#siftDown(0)
  }

  #siftDown(start: number): void {
    const events = this.#events
    const length = events.length
    const event = events[start] as SimEvent
    let index = start
    for (;;) {
      let childIndex = index * 2 + 1
      if (childIndex >= length) break
      let child = events[childIndex] as SimEvent
      const right = events[childIndex + 1]
      if (right !== undefined && isBefore(right, child)) {
        child = right
        childIndex++
      }
      if (isBefore(event, child)) break
      events[index] = child
      index = childIndex
    }
    events[index] = event
  }
}

function isBefore(left: SimEvent, right: SimEvent): boolean {
  return left.timeUs < right.timeUs || (left.timeUs === right.timeUs && left.sequence < right.sequence)
}
