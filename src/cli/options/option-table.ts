/**
 * Every option of `holdfast start`, once. Flags, environment variables, YAML keys, defaults, help
 * and docs/reference/options.md all derive from this table; an option that is not here does not
 * exist. One name serves everywhere: `redis-port` is `--redis-port`, `HOLDFAST_REDIS_PORT` and
 * the key `redis-port`.
 */
import { ROLES } from '../../server/node-options.ts'
import {
  addressesKind,
  choiceKind,
  choicesKind,
  durationKind,
  hostKind,
  integerKind,
  nodeIdKind,
  pathKind,
  portKind,
  secretKind,
  sizeKind,
  switchKind,
  type ValueKind,
} from './value-kinds.ts'

export type OptionSpec<Value> = {
  readonly kind: ValueKind<Value>
  /** null: none. */
  readonly default: NoInfer<Value> | null
  /** One sentence, without its full stop. */
  readonly summary: string
  /** More of what an operator should know, for the reference page only. */
  readonly detail?: string
  readonly section: Section
  /** `flag`: not in the file. */
  readonly where?: 'everywhere' | 'flag'
  /** Never shown in an error or a log line. */
  readonly secret?: boolean
}

export const SECTIONS = ['Where', 'Cluster', 'Security', 'Timing', 'Limits', 'Process'] as const
export type Section = (typeof SECTIONS)[number]

export const LOG_LEVELS = ['debug', 'info', 'warning', 'error'] as const
export const LOG_FORMATS = ['auto', 'text', 'json'] as const

const MIB = 1_048_576

function option<Value>(spec: OptionSpec<Value>): OptionSpec<Value> {
  return spec
}

export const OPTIONS = {
  config: option({
    kind: pathKind,
    default: null,
    summary: 'YAML file with options',
    section: 'Where',
    where: 'flag',
  }),
  'data-dir': option({
    kind: pathKind,
    default: './holdfast-data',
    summary: 'Directory that holds everything this node stores',
    detail: 'One directory belongs to one node. A second process on the same directory is refused.',
    section: 'Where',
  }),
  host: option({
    kind: hostKind,
    default: '127.0.0.1',
    summary: 'Address all ports are bound to',
    detail: 'Anything beyond loopback needs a password, or `force-insecure-bind`.',
    section: 'Where',
  }),
  'advertise-host': option({
    kind: hostKind,
    default: null,
    summary: 'Host that other nodes and clients are told to use, if it is not the one bound to',
    section: 'Where',
  }),
  'redis-port': option({
    kind: portKind,
    default: 6379,
    summary: 'Port for Redis clients',
    section: 'Where',
  }),
  'milvus-port': option({
    kind: portKind,
    default: 19_530,
    summary: 'Port for Milvus clients (reserved: nothing listens there yet)',
    section: 'Where',
  }),
  'http-port': option({
    kind: portKind,
    default: 9091,
    summary: 'Port for health checks, status and metrics',
    section: 'Where',
  }),
  'livez-port': option({
    kind: portKind,
    default: null,
    summary:
      'Port of a GET /livez that a thread of its own answers: 503 while the main loop or the disk is stuck, where http-port would say nothing at all. Off by default',
    section: 'Where',
  }),
  'peer-port': option({
    kind: portKind,
    default: 7400,
    summary: 'Port for the other nodes',
    section: 'Where',
  }),
  'node-id': option({
    kind: nodeIdKind,
    default: null,
    summary: 'Name of this node; drawn at the first start if not given, and kept in the data directory',
    section: 'Cluster',
  }),
  join: option({
    kind: addressesKind,
    default: null,
    summary: 'Peer addresses of a cluster to join at the first start',
    detail:
      'Without it, the first start on an empty directory creates a cluster of one. A node that has joined ' +
      'may be started with the same value again.',
    section: 'Cluster',
  }),
  roles: option({
    kind: choicesKind(ROLES),
    default: [...ROLES],
    summary: 'What this node does',
    section: 'Cluster',
  }),
  password: option({
    kind: secretKind,
    default: null,
    summary: 'Password that clients must give with AUTH',
    detail:
      'A password on the command line can be read by every user of the machine in the process list: prefer ' +
      '`password-file`, the environment or the configuration file.',
    section: 'Security',
    secret: true,
  }),
  'password-file': option({
    kind: pathKind,
    default: null,
    summary: 'File whose first line is the password',
    section: 'Security',
  }),
  'force-insecure-bind': option({
    kind: switchKind,
    default: false,
    summary: 'Bind beyond loopback although anyone who reaches the ports can read and change everything',
    section: 'Security',
  }),
  heartbeat: option({
    kind: durationKind(5, 5_000),
    default: 30,
    summary: 'How often a leader tells its followers that it is there',
    section: 'Timing',
  }),
  'election-timeout': option({
    kind: durationKind(50, 60_000),
    default: 150,
    summary:
      'How long a follower waits for its leader before it campaigns; it draws between one and two times this',
    detail: 'At least three times `heartbeat`. Raise both on slow or distant networks.',
    section: 'Timing',
  }),
  'drain-timeout': option({
    kind: durationKind(0, 60_000),
    default: 4_000,
    summary: 'How long a stopping node hands over leadership and answers what is in flight',
    section: 'Timing',
  }),
  'max-value-size': option({
    kind: sizeKind(1_024, 512 * MIB),
    default: 64 * MIB,
    summary: 'Largest value, and largest argument of a command',
    section: 'Limits',
  }),
  'max-memory': option({
    kind: sizeKind(32 * MIB, 1_024 * 1_024 * MIB),
    default: 512 * MIB,
    summary: 'Ceiling of cached values and of writes that wait for the engine; data itself may be larger',
    detail:
      'Four tenths of it are for the cache, one tenth for the writes; both are counted by what they take, and the ' +
      'cache grows as values are written and read. The process needs 250 to 400 MiB besides, most while ' +
      "much is written: the program, `RocksDB` and its files' indexes, the log's end, garbage that is not collected yet.",
    section: 'Limits',
  }),
  'max-connections': option({
    kind: integerKind(1, 1_000_000, 'N', 'a whole number, 1 to 1000000'),
    default: 10_000,
    summary: 'Client connections; more are refused with an error',
    section: 'Limits',
  }),
  'log-level': option({
    kind: choiceKind(LOG_LEVELS),
    default: 'info',
    summary: 'Least important log line that is written',
    section: 'Process',
  }),
  'log-format': option({
    kind: choiceKind(LOG_FORMATS),
    default: 'auto',
    summary: 'Form of log lines on standard error; auto: text on a terminal, JSON elsewhere',
    section: 'Process',
  }),
  'stop-with-stdin': option({
    kind: switchKind,
    default: false,
    summary: 'Stop when standard input ends, as it does when the process that started this one is gone',
    section: 'Process',
  }),
} as const

export type OptionName = keyof typeof OPTIONS

type ValueOf<Spec> = Spec extends OptionSpec<infer Value> ? Value : never
/** Options whose default is null may be absent; all others always have a value. */
export type OptionValues = {
  readonly [Name in OptionName]:
    | ValueOf<(typeof OPTIONS)[Name]>
    | (Name extends OptionWithoutDefault ? null : never)
}
type OptionWithoutDefault = 'config' | 'advertise-host' | 'node-id' | 'join' | 'password' | 'password-file'

export const OPTION_NAMES = Object.keys(OPTIONS) as readonly OptionName[]

export function isOptionName(name: string): name is OptionName {
  return Object.hasOwn(OPTIONS, name)
}

/** The same entry without its own value type, for code that treats all options alike. */
export function specOf(name: OptionName): OptionSpec<unknown> {
  return OPTIONS[name] as unknown as OptionSpec<unknown>
}

export function environmentVariable(name: OptionName): string {
  return `HOLDFAST_${name.toUpperCase().replaceAll('-', '_')}`
}

export function mayStandInFile(name: OptionName): boolean {
  return specOf(name).where !== 'flag'
}
