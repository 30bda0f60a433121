/**
 * What the catalogue says about each error.
 *
 * `healsByItself` means: Holdfast watches for the end of the cause and goes on without a restart
 * and without a command. It does not mean that the cause ends by itself.
 */

export const ERROR_TYPES = [
  'temporary',
  'permanent',
  'corruption',
  'resourceExhausted',
  'configuration',
  'network',
  'permission',
] as const
export type ErrorType = (typeof ERROR_TYPES)[number]

/** What the caller may do about an error of a type, and whether the same request may simply be sent again. */
export const TYPE_ADVICE = {
  temporary: { retryable: true, advice: 'retry' },
  network: { retryable: true, advice: 'retry' },
  resourceExhausted: { retryable: true, advice: 'wait, then retry' },
  configuration: { retryable: false, advice: 'fix the configuration' },
  permission: { retryable: false, advice: 'grant access' },
  permanent: { retryable: false, advice: 'change the request or the system; a retry fails again' },
  corruption: { retryable: false, advice: 'repair from a good copy' },
} as const satisfies Record<ErrorType, { readonly retryable: boolean; readonly advice: string }>

/** The first word of a Redis error line; client libraries act on it. */
export type RedisPrefix =
  | 'ERR'
  | 'MISCONF'
  | 'LOADING'
  | 'CLUSTERDOWN'
  | 'TRYAGAIN'
  | 'READONLY'
  | 'OOM'
  | 'NOPERM'
  | 'WRONGPASS'

export type ErrorRow = {
  readonly code: number
  readonly type: ErrorType
  readonly healsByItself: boolean
  readonly redis: RedisPrefix
  readonly httpStatus: number
  /** One sentence: what happened. The message of an error that brings none of its own. */
  readonly what: string
  /** What to do, for the person who operates or calls. */
  readonly hint: string
  /** The type is that of the error beneath; `type` is only what holds when there is none. */
  readonly inheritsType?: boolean
}
