/**
 * LCS: dynamic programming over both strings, then a walk back along the choices. Where several
 * subsequences are longest the walk prefers to shorten the second string, as Redis does.
 */
import type { ByteString } from '../base/bytes.ts'
import { NOT_AN_INTEGER, SYNTAX_ERROR } from './errors.ts'
import { parseInteger } from './integers.ts'
import { recordType, stringValue, ValueType } from './record.ts'
import { type ErrorReply, error, type Reply } from './reply.ts'
import type { KeyEntry, KvTransaction } from './transaction.ts'
import { answerInParts } from './whole-range.ts'

const NOT_STRINGS = error('ERR The specified keys must contain string values')
const LENGTH_AND_INDEXES = error('ERR If you want both the length and indexes, please just use IDX.')
const TOO_LARGE = error('ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len')
const CELL_BYTES = 4
/** A few milliseconds' work. */
const CELLS_PER_CALL = 500_000
const TRANSACTION_CELLS_MAX = 4_000_000
const TOO_LARGE_IN_TRANSACTION = error(
  `ERR LCS in a transaction compares strings whose lengths multiplied are at most ${TRANSACTION_CELLS_MAX}: ` +
    'send it outside of MULTI',
)

type LcsOptions = {
  readonly wantsLength: boolean
  readonly wantsIndexes: boolean
  readonly wantsMatchLength: boolean
  readonly minMatchLength: number
}

export function answerLcs(transaction: KvTransaction, args: readonly ByteString[]): Reply | undefined {
  const entries = transaction.openAll([args[1] as ByteString, args[2] as ByteString])
  if (entries === undefined) return undefined
  const [left, right] = entries.map(textOf)
  if (left === null || right === null) return NOT_STRINGS
  const options = readOptions(args)
  if ('kind' in options) return options
  const [one, other] = [left as ByteString, right as ByteString]
  const cells = (one.length + 1) * (other.length + 1)
  if (cells * CELL_BYTES > transaction.limits.maxValueBytes) return TOO_LARGE
  if (!transaction.mayWalk && cells > TRANSACTION_CELLS_MAX) return TOO_LARGE_IN_TRANSACTION
  // Made with the first call: the host asks a long query twice, and only the second is carried out.
  let table: LengthTable | null = null
  return answerInParts(transaction, cells > CELLS_PER_CALL, () => {
    table ??= new LengthTable(one, other)
    return table.fillSome() ? answerFrom(one, other, table.lengths, options) : undefined
  })
}

function answerFrom(one: ByteString, other: ByteString, lengths: Uint32Array, options: LcsOptions): Reply {
  const length = lengths[lengths.length - 1] as number
  if (options.wantsLength) return length
  const ranges = walkBack(one, other, lengths)
  if (!options.wantsIndexes) {
    return ranges
      .map(({ from, to }) => one.slice(from, to + 1))
      .reverse()
      .join('')
  }
  const matches = ranges
    .filter(({ from, to }) => to - from + 1 >= options.minMatchLength)
    .map(({ from, to, otherFrom }) => {
      const pair: Reply[] = [
        [from, to],
        [otherFrom, otherFrom + to - from],
      ]
      if (options.wantsMatchLength) pair.push(to - from + 1)
      return pair
    })
  return {
    kind: 'map',
    entries: [
      ['matches', matches],
      ['len', length],
    ],
  }
}

/** Null when it is no string. */
function textOf(entry: KeyEntry): ByteString | null {
  if (entry.live === null) return ''
  return recordType(entry.live) === ValueType.string ? stringValue(entry.live) : null
}

function readOptions(args: readonly ByteString[]): LcsOptions | ErrorReply {
  const options = { wantsLength: false, wantsIndexes: false, wantsMatchLength: false, minMatchLength: 0 }
  for (let index = 3; index < args.length; index++) {
    const option = (args[index] as ByteString).toLowerCase()
    if (option === 'idx') options.wantsIndexes = true
    else if (option === 'len') options.wantsLength = true
    else if (option === 'withmatchlen') options.wantsMatchLength = true
    else if (option === 'minmatchlen' && index + 1 < args.length) {
      const length = parseInteger(args[++index] as ByteString)
      if (length === null) return NOT_AN_INTEGER
      options.minMatchLength = Math.max(0, Number(length))
    } else return SYNTAX_ERROR
  }
  return options.wantsLength && options.wantsIndexes ? LENGTH_AND_INDEXES : options
}

class LengthTable {
  /** `[i * (other.length + 1) + j]`: how long a subsequence the first i and the first j bytes have in common. */
  readonly lengths: Uint32Array
  readonly #one: ByteString
  readonly #other: ByteString
  /** Rows that are filled, the first of them with zeros. */
  #rows = 1

  constructor(one: ByteString, other: ByteString) {
    this.#one = one
    this.#other = other
    this.lengths = new Uint32Array((one.length + 1) * (other.length + 1))
  }

  /** Fills so many cells as take a few milliseconds. True when all are. */
  fillSome(): boolean {
    const width = this.#other.length + 1
    const end = Math.min(this.#one.length + 1, this.#rows + Math.ceil(CELLS_PER_CALL / width))
    for (; this.#rows < end; this.#rows++) fillRow(this.lengths, this.#rows, this.#one, this.#other)
    return end > this.#one.length
  }
}

function fillRow(lengths: Uint32Array, i: number, one: ByteString, other: ByteString): void {
  const width = other.length + 1
  const byte = one.charCodeAt(i - 1)
  const row = i * width
  for (let j = 1; j < width; j++) {
    const above = lengths[row - width + j] as number
    const before = lengths[row + j - 1] as number
    const isMatch = byte === other.charCodeAt(j - 1)
    lengths[row + j] = isMatch ? (lengths[row - width + j - 1] as number) + 1 : Math.max(above, before)
  }
}

/** Both ends belong to the range. */
type MatchRange = { from: number; readonly to: number; otherFrom: number }

/** The ranges that stand unbroken in both strings, the last one first. */
function walkBack(one: ByteString, other: ByteString, lengths: Uint32Array): readonly MatchRange[] {
  const width = other.length + 1
  const ranges: MatchRange[] = []
  let open: MatchRange | null = null
  let i = one.length
  let j = other.length
  while (i > 0 && j > 0) {
    if (one[i - 1] === other[j - 1]) {
      if (open === null) {
        open = { from: i - 1, to: i - 1, otherFrom: j - 1 }
        ranges.push(open)
      } else {
        open.from = i - 1
        open.otherFrom = j - 1
      }
      i--
      j--
    } else {
      if ((lengths[(i - 1) * width + j] as number) > (lengths[i * width + j - 1] as number)) i--
      else j--
      open = null
    }
  }
  return ranges
}
