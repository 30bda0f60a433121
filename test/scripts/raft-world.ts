/**
 * The world of the Raft scripts: replicas on simulated disks, packets that wait until they are
 * delivered, and one verb per thing that can happen. Every step is checked by sim/raft/raft-checker.ts.
 *
 *   nodes 3 [joiners=4,5] [voters=1,2,3] [learners=4] [option=value …]   begins the world
 *   campaign N · tick N [times] · propose N TEXT [times] · read N CONTEXT · transfer N TO · resign N
 *   peer-closed N PEER · membership N voters=1,2 [learners=3] · checkpoint N [keepBytes]
 *   unreachable N PEER · snapshot-failed N PEER
 *   ready N                one Ready of N: its effects are shown and begun
 *   persist N [times]      the oldest writes of N (or all) become durable
 *   deliver A->B [times]   or `deliver N`: all that waits for N
 *   drop A->B · double A->B (the oldest one again) · delay A->B (the oldest one goes last)
 *   cut 1 2 | 3            packets between the sides are lost from now on; `mend` ends it
 *   stabilize [N …]        work, write and deliver among these (or all) until nothing moves
 *   crash N [writes] [entries] · restart N · damage N from=INDEX [votes=COUNT] (while it is down)
 *   meet N                 the others notice that N is another process now
 *   restore N              the disk of N is as it was before the damage
 *   status [N …] · progress N · log N · packets · repair N
 *   quietly VERB …         without telling
 */
import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { createRaftChecker } from '../../sim/raft/raft-checker.ts'
import type { Packet } from '../../sim/raft/raft-host.ts'
import { founding, RaftHost } from '../../sim/raft/raft-host.ts'
import type { ReplicaId } from '../../src/base/ids.ts'
import { makeReplicaId } from '../../src/base/ids.ts'
import type { LogIndex } from '../../src/base/log-entry.ts'
import { EMPTY_MEMBERSHIP } from '../../src/raft/membership.ts'
import type { Raft } from '../../src/raft/raft.ts'
import {
  describeEntry,
  describePacket,
  describeProgress,
  describeReady,
  describeRepair,
  describeReplica,
} from './raft-describe.ts'

const DEFAULTS = {
  electionTicks: 10,
  heartbeatTicks: 2,
  maxMessageBytes: 1000,
  maxInflightMessages: 8,
  maxInflightBytes: 10_000,
  maxUncommittedBytes: 10_000,
  maxApplyBytes: 10_000,
  maxCampaignLagBytes: 10_000,
}
const QUIET_ROUNDS_MAX = 500

type Seen = {
  readonly role: string
  readonly term: number
  readonly leader: number | null
  readonly commit: number
}
type Verb = (args: readonly string[]) => void

export class RaftWorld {
  readonly #checker = createRaftChecker()
  readonly #hosts = new Map<ReplicaId, RaftHost>()
  readonly #incarnations = new Map<ReplicaId, number>()
  readonly #seen = new Map<ReplicaId, Seen>()
  #packets: Packet[] = []
  #sides: readonly (readonly string[])[] = []
  #output: string[] = []

  readonly #verbs: Readonly<Record<string, Verb>> = {
    nodes: (args) => this.#nodes(args),
    campaign: (args) => this.#call(args, (raft) => raft.campaign()),
    tick: (args) => this.#repeat(args[1], () => this.#call(args, (raft) => raft.tick())),
    propose: (args) => this.#propose(args),
    read: (args) => this.#read(args),
    transfer: (args) => this.#say(`${this.#call(args, (raft) => raft.transferLeadership(idOf(args[1])))}`),
    resign: (args) => this.#call(args, (raft) => raft.resign()),
    'peer-closed': (args) => this.#call(args, (raft) => raft.peerClosed(idOf(args[1]))),
    unreachable: (args) => this.#call(args, (raft) => raft.reportUnreachable(idOf(args[1]))),
    'snapshot-failed': (args) => this.#call(args, (raft) => raft.reportSnapshot(idOf(args[1]), null)),
    membership: (args) => this.#membership(args),
    checkpoint: (args) => this.#host(args[0]).checkpoint(Number(args[1] ?? 0)),
    ready: (args) => this.#ready(this.#host(args[0])),
    persist: (args) => this.#persist(this.#host(args[0]), args[1]),
    deliver: (args) => this.#deliver(args),
    drop: (args) => this.#drop(args),
    double: (args) => void this.#packets.push(this.#take(args[0], false)),
    delay: (args) => void this.#packets.push(this.#take(args[0], true)),
    cut: (args) => this.#cut(args),
    mend: () => this.#cut([]),
    stabilize: (args) => this.#stabilize(args),
    crash: (args) => this.#host(args[0]).crash(Number(args[1] ?? 0), Number(args[2] ?? 0)),
    restart: (args) => this.#restart(this.#host(args[0])),
    damage: (args) => {
      const host = this.#host(args[0])
      host.damage(Number(option(args, 'from')) as LogIndex, host.durableRange.last as LogIndex)
      const votes = option(args, 'votes')
      if (votes !== undefined) host.forgetVotes(Number(votes))
    },
    meet: (args) => {
      for (const host of this.#hosts.values()) {
        if (host.isRunning && host.id !== idOf(args[0]))
          host.call((raft) => raft.peerRestarted(idOf(args[0])))
      }
    },
    restore: (args) => this.#host(args[0]).restore(),
    repair: (args) => this.#say(...describeRepair(this.#host(args[0]).raft)),
    status: (args) => this.#status(args),
    progress: (args) => this.#say(...describeProgress(this.#host(args[0]).raft)),
    log: (args) => this.#log(this.#host(args[0]).raft),
    packets: () => this.#say(...this.#packets.map(describePacket)),
  }

  /** Runs one command; what it did, line by line. */
  run(command: string): readonly string[] {
    if (command.startsWith('quietly ')) {
      this.run(command.slice('quietly '.length))
      return ['ok']
    }
    const [name, ...args] = command.split(/\s+/)
    const verb = this.#verbs[name as string]
    assert(verb !== undefined, `unknown verb: ${name}`)
    this.#output = []
    verb(args)
    return this.#output.length === 0 ? ['ok'] : this.#output
  }

  #say(...lines: string[]): void {
    this.#output.push(...lines)
  }

  #host(text: string | undefined): RaftHost {
    const host = this.#hosts.get(idOf(text))
    assert(host !== undefined, `no node ${text}`)
    return host
  }

  #nodes(args: readonly string[]): void {
    const options = { ...DEFAULTS }
    for (const key of Object.keys(DEFAULTS) as (keyof typeof DEFAULTS)[]) {
      const value = option(args, key)
      if (value !== undefined) options[key] = Number(value)
    }
    const voters = Array.from({ length: Number(args[0]) }, (_, at) => makeReplicaId(at + 1))
    const learners = idsOf(option(args, 'learners'))
    const membership = { voters, votersOutgoing: [], learners, learnersNext: [] }
    const joiners = idsOf(option(args, 'joiners'))
    for (const id of [...voters, ...learners, ...joiners]) {
      const state = founding(joiners.includes(id) ? EMPTY_MEMBERSHIP : membership)
      // The election timeout is always `electionTicks`; incarnations differ in their reads only.
      const random = (): number => (this.#incarnations.get(id) ?? 0) * 2 ** -26
      const host = new RaftHost(id, state, { ...options, random }, this.#checker, {
        send: (packet) => this.#send(packet),
        granted: (_, grant) => this.#say(`${id} may read ${grant.context} at ${grant.index}`),
        dropped: (_, context) => this.#say(`${id} gives up read ${context}`),
        applied: (_, entry) => this.#say(`${id} applies ${describeEntry(entry)}`),
      })
      this.#hosts.set(id, host)
      host.start()
      this.#look(host)
    }
  }

  #call<Result>(args: readonly string[], act: (raft: Raft) => Result): Result {
    const host = this.#host(args[0])
    const result = host.call(act)
    this.#look(host)
    return result
  }

  #repeat(times: string | undefined, act: () => void): void {
    for (let left = Number(times ?? 1); left > 0; left--) act()
  }

  #propose(args: readonly string[]): void {
    this.#repeat(args[2], () => {
      const payload = Buffer.from(expand(args[1] as string), 'latin1')
      const result = this.#call(args, (raft) => raft.propose(payload))
      if (result.kind === 'accepted') this.#say(`at ${result.position.index}@${result.position.term}`)
      else if (result.kind === 'refused') this.#say(`refused: ${result.reason}`)
      else this.#say(`not leader, leader is ${result.leader ?? 'unknown'}`)
    })
  }

  #membership(args: readonly string[]): void {
    const target = { voters: idsOf(option(args, 'voters')), learners: idsOf(option(args, 'learners')) }
    const result = this.#call(args, (raft) => raft.proposeMembership(target))
    if (result.kind === 'accepted') this.#say(`at ${result.position.index}@${result.position.term}`)
    else this.#say(result.kind === 'refused' ? `refused: ${result.reason}` : 'not leader')
  }

  #read(args: readonly string[]): void {
    const host = this.#host(args[0])
    if (!host.askRead(Number(args[1]))) this.#say('refused')
  }

  #ready(host: RaftHost): void {
    const wasTaken = host.takeReady((ready) => this.#say(...describeReady(ready)))
    if (!wasTaken) this.#say('nothing to do')
    this.#look(host)
  }

  #persist(host: RaftHost, times: string | undefined): void {
    const count = times === undefined ? host.pendingWrites : Number(times)
    for (let left = count; left > 0; left--) {
      assert(host.persistOne(), `${host.id} has nothing to write`)
      this.#look(host)
    }
  }

  #send(packet: Packet): void {
    const { from, to } = ends(packet)
    if (!this.#isCut(from, to)) this.#packets.push(packet)
    else if (packet.kind === 'snapshot') this.#hosts.get(from)?.raft.reportSnapshot(to, null)
  }

  #isCut(from: ReplicaId, to: ReplicaId): boolean {
    if (this.#sides.length === 0) return false
    return !this.#sides.some((side) => side.includes(`${from}`) && side.includes(`${to}`))
  }

  #cut(args: readonly string[]): void {
    const sides = args.join(' ').split('|')
    this.#sides = args.length === 0 ? [] : sides.map((side) => side.trim().split(' '))
    this.#packets = this.#packets.filter((packet) => !this.#isCut(ends(packet).from, ends(packet).to))
  }

  #deliver(args: readonly string[]): void {
    const [link] = args
    if (link === undefined || !link.includes('->')) {
      const to = idOf(link)
      for (const packet of this.#packets.filter((waiting) => ends(waiting).to === to))
        this.#deliverPacket(packet)
      return
    }
    this.#repeat(args[1], () => this.#deliverPacket(this.#take(link, false)))
  }

  #deliverPacket(packet: Packet): void {
    this.#packets.splice(this.#packets.indexOf(packet), 1)
    const { from, to } = ends(packet)
    const host = this.#hosts.get(to)
    this.#say(describePacket(packet))
    if (host === undefined || !host.isRunning) return this.#say(`${to} is down`)
    host.deliver(packet)
    this.#look(host)
    if (packet.kind !== 'snapshot') return
    const sender = this.#hosts.get(from)
    if (sender?.isRunning === true) sender.raft.reportSnapshot(to, packet.checkpoint.position.index)
  }

  /** The oldest packet on a link. */
  #take(link: string | undefined, removes: boolean): Packet {
    const at = this.#packets.findIndex((packet) => `${ends(packet).from}->${ends(packet).to}` === link)
    const packet = this.#packets[at]
    assert(packet !== undefined, `nothing waits on ${link}`)
    if (removes) this.#packets.splice(at, 1)
    return packet
  }

  #drop(args: readonly string[]): void {
    const [link] = args
    const isHit = (packet: Packet): boolean => `${ends(packet).from}->${ends(packet).to}` === link
    for (const packet of this.#packets.filter(isHit)) this.#say(`lost ${describePacket(packet)}`)
    this.#packets = this.#packets.filter((packet) => !isHit(packet))
  }

  #stabilize(args: readonly string[]): void {
    const hosts = (args.length === 0 ? [...this.#hosts.keys()] : args.map(idOf)).map((id) =>
      this.#host(`${id}`),
    )
    const ids = hosts.map((host) => host.id)
    for (let rounds = 0; rounds < QUIET_ROUNDS_MAX; rounds++) {
      let isBusy = false
      for (const host of hosts.filter((each) => each.isRunning)) {
        while (host.takeReady()) isBusy = true
        this.#look(host)
        while (host.persistOne()) isBusy = true
        this.#look(host)
      }
      for (const packet of this.#packets.filter((waiting) => ids.includes(ends(waiting).to))) {
        this.#deliverPacket(packet)
        isBusy = true
      }
      if (!isBusy) return
    }
    assert.fail('the replicas never fall silent')
  }

  #restart(host: RaftHost): void {
    this.#incarnations.set(host.id, (this.#incarnations.get(host.id) ?? 0) + 1)
    this.#seen.delete(host.id)
    host.start()
    this.#look(host)
    this.#say(describeReplica(host.raft))
  }

  #status(args: readonly string[]): void {
    const ids = args.length === 0 ? [...this.#hosts.keys()] : args.map(idOf)
    for (const id of ids) {
      const host = this.#host(`${id}`)
      this.#say(host.isRunning ? describeReplica(host.raft) : `${id}: down`)
    }
  }

  #log(raft: Raft): void {
    const { firstIndex, lastIndex } = raft.status()
    const terms: string[] = []
    for (let index: number = firstIndex; index <= lastIndex; index++) {
      terms.push(`${index}@${raft.termAt(index as LogIndex)}`)
    }
    this.#say(terms.join(' '))
  }

  /** Says what changed on a replica since it was last looked at. */
  #look(host: RaftHost): void {
    const { role, term, leader, commit } = host.raft
    const before = this.#seen.get(host.id)
    this.#seen.set(host.id, { role, term, leader, commit })
    if (before === undefined) return
    if (before.role !== role || before.term !== term) this.#say(`${host.id} is ${role} in term ${term}`)
    else if (before.leader !== leader)
      this.#say(`${host.id} ${leader === null ? 'has no leader' : `follows ${leader}`}`)
    if (before.commit !== commit) this.#say(`${host.id} commits ${commit}`)
  }
}

function ends(packet: Packet): { readonly from: ReplicaId; readonly to: ReplicaId } {
  return packet.kind === 'message' ? packet.message : packet
}

function idOf(text: string | undefined): ReplicaId {
  return makeReplicaId(Number(text))
}

function option(args: readonly string[], name: string): string | undefined {
  return args.find((arg) => arg.startsWith(`${name}=`))?.slice(name.length + 1)
}

function idsOf(list: string | undefined): ReplicaId[] {
  return list === undefined || list === '' ? [] : list.split(',').map(idOf)
}

/** `x*100` is a payload of a hundred x. */
function expand(text: string): string {
  const [letter, times] = text.split('*')
  return times === undefined ? text : (letter as string).repeat(Number(times))
}
