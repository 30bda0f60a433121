/**
 * The operations that are not answered yet, in the order of their submission, which is the order of
 * their deadlines.
 *
 * A chain through the operations themselves: whoever is answered leaves at once, from wherever it
 * stands. Nothing else may keep an operation that is done: at a hundred thousand a second even a
 * twentieth of a second of them would survive the collector's next run, and be copied.
 */
import assert from 'node:assert/strict'

/** What an operation lends to the chain. Only the chain changes it. */
export type ChainLink<Member> = {
  readonly bytes: number
  previous: Member | null
  next: Member | null
}

export class OpenOperations<Member extends ChainLink<Member>> {
  #first: Member | null = null
  #last: Member | null = null
  #count = 0
  #bytes = 0

  get count(): number {
    return this.#count
  }

  get bytes(): number {
    return this.#bytes
  }

  /** The one whose deadline comes first. */
  get first(): Member | null {
    return this.#first
  }

  add(member: Member): void {
    assert(member.previous === null && member.next === null && member !== this.#first)
    if (this.#last === null) this.#first = member
    else {
      this.#last.next = member
      member.previous = this.#last
    }
    this.#last = member
    this.#count += 1
    this.#bytes += member.bytes
  }

  /** It must be in the chain. */
  remove(member: Member): void {
    const { previous, next } = member
    assert(previous !== null || this.#first === member, 'an operation left that was not there')
    if (previous === null) this.#first = next
    else previous.next = next
    if (next === null) this.#last = previous
    else next.previous = previous
    member.previous = null
    member.next = null
    this.#count -= 1
    this.#bytes -= member.bytes
    assert(this.#count >= 0 && this.#bytes >= 0)
  }
}
