/** Numbers of the requests and notices between nodes (docs/formats/peer-frames.md); part of the wire format. */
export const RequestKind = {
  snapshotBegin: 1,
  snapshotChunk: 2,
  snapshotEnd: 3,
  forward: 10,
  join: 11,
  propose: 12,
} as const

export const NoticeKind = {
  stateDigest: 1,
} as const
