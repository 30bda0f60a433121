/**
 * Keeps one connection's commands in their order although writes go through the log and reads do
 * not: a read waits for the writes sent before it, a write for the reads. Runs of the same kind
 * go on side by side, so a pipeline of writes (or of reads) costs one round; that writes do not
 * overtake each other is the router's business (routing/write-lane.ts).
 */
import assert from 'node:assert/strict'
import type { Reply } from '../../kv/reply.ts'
import type { DataRequest } from '../../redis/data-request.ts'

type Submit = (command: DataRequest, isWrite: boolean, respond: (reply: Reply) => void) => void
type Held = {
  readonly command: DataRequest
  readonly isWrite: boolean
  readonly respond: (reply: Reply) => void
}

export class CommandOrder {
  readonly #submit: Submit
  #held: Held[] = []
  #heldHead = 0
  #openWrites = 0
  #openReads = 0
  #isReleasing = false

  /** `submit` may respond before it returns. */
  constructor(submit: Submit) {
    this.#submit = submit
  }

  add(command: DataRequest, isWrite: boolean, respond: (reply: Reply) => void): void {
    if (this.#heldHead < this.#held.length || this.#mustWait(isWrite))
      this.#held.push({ command, isWrite, respond })
    else this.#start(command, isWrite, respond)
  }

  #mustWait(isWrite: boolean): boolean {
    return isWrite ? this.#openReads > 0 : this.#openWrites > 0
  }

  #start(command: DataRequest, isWrite: boolean, respond: (reply: Reply) => void): void {
    if (isWrite) this.#openWrites += 1
    else this.#openReads += 1
    this.#submit(command, isWrite, (reply) => {
      if (isWrite) this.#openWrites -= 1
      else this.#openReads -= 1
      assert(this.#openWrites >= 0 && this.#openReads >= 0, 'a command was answered twice')
      respond(reply)
      if (this.#heldHead < this.#held.length) this.#release()
    })
  }

  /** A loop, not a recursion: thousands of held commands may be answered at once when they are refused. */
  #release(): void {
    if (this.#isReleasing) return
    this.#isReleasing = true
    try {
      let next = this.#held[this.#heldHead]
      while (next !== undefined && !this.#mustWait(next.isWrite)) {
        this.#heldHead += 1
        this.#start(next.command, next.isWrite, next.respond)
        next = this.#held[this.#heldHead]
      }
    } finally {
      this.#isReleasing = false
    }
    if (this.#heldHead < this.#held.length) return
    this.#held = []
    this.#heldHead = 0
  }
}
