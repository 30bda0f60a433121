/** Placeholder for the message union; see raft.ts. */
export type Message = { readonly kind: 'none' }
