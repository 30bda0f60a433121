/** Messages, entries and replicas as short lines for golden scripts. */
import { Buffer } from 'node:buffer'
import type { Packet } from '../../sim/raft/raft-host.ts'
import type { Entry, LogPosition } from '../../src/base/log-entry.ts'
import { EntryKind } from '../../src/base/log-entry.ts'
import { unreachable } from '../../src/base/unreachable.ts'
import type { Membership } from '../../src/raft/membership.ts'
import { decodeMembership } from '../../src/raft/membership-codec.ts'
import type { Message } from '../../src/raft/message.ts'
import type { Raft, Ready } from '../../src/raft/raft.ts'

/** `5@2`: index 5 of term 2. */
export function describePosition(position: LogPosition): string {
  return `${position.index}@${position.term}`
}

export function describeMembership(membership: Membership): string {
  const { voters, votersOutgoing, learners, learnersNext } = membership
  const parts = [`voters ${voters.join(' ')}`]
  if (votersOutgoing.length > 0) parts.push(`outgoing ${votersOutgoing.join(' ')}`)
  if (learners.length > 0) parts.push(`learners ${learners.join(' ')}`)
  if (learnersNext.length > 0) parts.push(`later learners ${learnersNext.join(' ')}`)
  return `{${parts.join(', ')}}`
}

export function describeEntry(entry: Entry): string {
  const place = describePosition(entry)
  if (entry.kind === EntryKind.empty) return `${place} empty`
  if (entry.kind === EntryKind.membership)
    return `${place} ${describeMembership(decodeMembership(entry.payload))}`
  const text = Buffer.from(entry.payload).toString('latin1')
  return `${place} "${text.length > 20 ? `${text.slice(0, 3)}…${text.length}` : text}"`
}

export function describePacket(packet: Packet): string {
  if (packet.kind === 'message') return describeMessage(packet.message)
  const { position, membership } = packet.checkpoint
  const what = `snapshot t${packet.term} ${describePosition(position)} ${describeMembership(membership)}`
  return `${packet.from}->${packet.to} ${what}`
}

export function describeMessage(message: Message): string {
  return `${message.from}->${message.to} ${message.kind} t${message.term}${describeBody(message)}`
}

function describeBody(message: Message): string {
  switch (message.kind) {
    case 'preVote':
      return ` last ${describePosition(message.lastLog)}`
    case 'vote':
      return ` last ${describePosition(message.lastLog)}${message.isTransfer ? ' transfer' : ''}`
    case 'preVoteReply':
    case 'voteReply':
      return message.granted ? ' granted' : ' refused'
    case 'append':
      return ` after ${describePosition(message.previous)} [${message.entries.map(describeEntry).join(', ')}] commit ${message.commit}`
    case 'appendReply': {
      const repairing = message.isRepairing ? ' repairing' : ''
      if (message.conflict === null) return ` holds ${message.index}${repairing}`
      return ` refuses ${message.index}, try ${describePosition(message.conflict)}${repairing}`
    }
    case 'heartbeat':
      return ` commit ${message.commit} round ${message.round}`
    case 'heartbeatReply':
      return ` round ${message.round}${message.isRepairing ? ' repairing' : ''}`
    case 'readIndex':
      return ` batch ${message.batch}`
    case 'readIndexReply':
      return ` batch ${message.batch} index ${message.index}`
    case 'timeoutNow':
      return ''
    case 'termRequest':
      return ` number ${message.number}`
    case 'termReply':
      return ` number ${message.number}${message.isSure ? '' : ' unsure'}`
    default:
      return unreachable(message)
  }
}

export function describeReady(ready: Ready): string[] {
  const { hardState, snapshot } = ready
  const lines: string[] = []
  if (hardState !== null) {
    lines.push(`write term ${hardState.term} vote ${hardState.vote ?? '-'} commit ${hardState.commit}`)
  }
  if (snapshot !== null) lines.push(`install snapshot ${describePosition(snapshot.position)}`)
  if (ready.entries.length > 0) lines.push(`append ${ready.entries.map(describeEntry).join(', ')}`)
  for (const message of ready.messages) lines.push(`send ${describeMessage(message)}`)
  for (const request of ready.snapshotsToSend) lines.push(`stream a snapshot to ${request.to}`)
  for (const message of ready.messagesAfterPersist) lines.push(`once durable ${describeMessage(message)}`)
  if (ready.committed.length > 0) lines.push(`apply ${ready.committed.map(describeEntry).join(', ')}`)
  return lines
}

export function describeReplica(raft: Raft): string {
  const status = raft.status()
  const persisted = status.persistedIndex === status.lastIndex ? '' : ` durable ${status.persistedIndex}`
  const log = `log ${status.firstIndex}..${status.lastIndex}${persisted} commit ${status.commit} applied ${status.applied}`
  const leader = status.leader === null ? 'no leader' : `leader ${status.leader}`
  return `${raft.id}: ${status.role} t${status.term} vote ${status.vote ?? '-'} ${leader} ${log} ${describeMembership(status.membership)}`
}

export function describeProgress(raft: Raft): string[] {
  const { progress } = raft.status()
  if (progress === null) return ['not leading']
  return [...progress].map(([id, peer]) => {
    const inflight = `in flight ${peer.inflightMessages} (${peer.inflightBytes} bytes)`
    return `${id}: ${peer.state} match ${peer.match} next ${peer.next} ${inflight}${peer.recentlyActive ? '' : ' silent'}`
  })
}

export function describeRepair(raft: Raft): string[] {
  const { repair } = raft.status()
  if (repair === null) return ['whole']
  const { goal, isGoalKnown, waitsFor, damagedPeers } = repair
  const lines = [`${isGoalKnown ? 'must reach' : 'must reach at least'} ${goal}`]
  if (waitsFor.length > 0) lines.push(`waits for the terms of ${waitsFor.join(' ')}`)
  if (damagedPeers.length > 0) lines.push(`which ${damagedPeers.join(' ')} lost`)
  return lines
}
