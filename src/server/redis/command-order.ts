/**
 * Keeps one connection's commands in their order although writes go through the log and reads do
 * not: a read waits for the writes sent before it, a write for the reads. Runs of the same kind
 * go on side by side, so a pipeline of writes (or of reads) costs one round.
 */
import type { Reply } from '../../kv/reply.ts'
import type { ParsedCommand } from '../../redis/redis-connection.ts'

type Submit = (command: ParsedCommand, isWrite: boolean, respond: (reply: Reply) => void) => void
type Held = {
  readonly command: ParsedCommand
  readonly isWrite: boolean
  readonly respond: (reply: Reply) => void
}

export class CommandOrder {
  readonly #submit: Submit
  #held: Held[] = []
  #heldHead = 0
  #openWrites = 0
  #openReads = 0

  constructor(submit: Submit) {
    this.#submit = submit
  }

  add(command: ParsedCommand, isWrite: boolean, respond: (reply: Reply) => void): void {
    const mustWait =
      this.#heldHead < this.#held.length || (isWrite ? this.#openReads > 0 : this.#openWrites > 0)
    if (mustWait) this.#held.push({ command, isWrite, respond })
    else this.#start(command, isWrite, respond)
  }

  #start(command: ParsedCommand, isWrite: boolean, respond: (reply: Reply) => void): void {
    if (isWrite) this.#openWrites += 1
    else this.#openReads += 1
    this.#submit(command, isWrite, (reply) => {
      if (isWrite) this.#openWrites -= 1
      else this.#openReads -= 1
      respond(reply)
      if (this.#heldHead < this.#held.length) this.#release()
    })
  }

  #release(): void {
    for (;;) {
      const next = this.#held[this.#heldHead]
      if (next === undefined) {
        this.#held = []
        this.#heldHead = 0
        return
      }
      if (next.isWrite ? this.#openReads > 0 : this.#openWrites > 0) return
      this.#heldHead += 1
      this.#start(next.command, next.isWrite, next.respond)
    }
  }
}
