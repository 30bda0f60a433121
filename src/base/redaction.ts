/**
 * Makes plain data fit to be logged, stored and sent: secrets and vectors are replaced by key
 * name, credentials inside URLs are cut out, and size and depth are limited, so that an error's
 * context can neither leak a password nor fill a log.
 *
 * Redaction errs on the side of hiding: `maxTokens` is hidden too. It can't see a secret that is
 * put under an innocent name; users' values and passwords don't belong in contexts at all.
 */

export type PlainValue =
  | string
  | number
  | boolean
  | null
  | readonly PlainValue[]
  | { readonly [key: string]: PlainValue }
export type PlainRecord = { readonly [key: string]: PlainValue }

export const REDACTED = '[redacted]'
const CUT = '[cut]'

const DEPTH_MAX = 4
const STRING_CHARS_MAX = 1024
const ITEMS_MAX = 32

const SECRET_KEY =
  /pass(word|wd|phrase|code)?s?$|^pwd$|secret|token|credential|authori[sz]ation|^auth$|cookie|(api|access|private|encryption|signing|master|account)[-_ ]?key|vector|embedding/i
// The scheme is bounded, so that a long text costs time in proportion to its length, not its square.
const URL_CREDENTIALS = /([a-z][a-z0-9+.-]{0,15}:\/\/)[^/\s@]+@/gi

/** A frozen plain copy of `record` without secrets. */
export function redact(record: Readonly<Record<string, unknown>>): PlainRecord {
  return redactRecord(record, 0)
}

/** `text` without credentials in URLs, and not longer than a log line should be. */
export function redactText(text: string): string {
  const clean = text.replace(URL_CREDENTIALS, `$1${REDACTED}@`)
  return clean.length <= STRING_CHARS_MAX ? clean : `${clean.slice(0, STRING_CHARS_MAX)}…`
}

function redactRecord(record: Readonly<Record<string, unknown>>, depth: number): PlainRecord {
  const result: Record<string, PlainValue> = {}
  let items = 0
  for (const [key, value] of Object.entries(record)) {
    if (value === undefined) continue
    if (++items > ITEMS_MAX) break
    const plain = SECRET_KEY.test(key) ? REDACTED : redactValue(value, depth + 1)
    // Not an assignment: that would make a key named __proto__ disappear.
    Object.defineProperty(result, key, { value: plain, enumerable: true })
  }
  return Object.freeze(result)
}

function redactValue(value: unknown, depth: number): PlainValue {
  switch (typeof value) {
    case 'string':
      return redactText(value)
    case 'boolean':
      return value
    case 'number':
      return Number.isFinite(value) ? value : String(value)
    case 'bigint':
      return String(value)
    case 'object':
      return value === null ? null : redactObject(value, depth)
    default:
      return CUT
  }
}

function redactObject(value: object, depth: number): PlainValue {
  if (depth >= DEPTH_MAX) return CUT
  if (value instanceof Error) return redactText(`${value.name}: ${value.message}`)
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`
  if (Array.isArray(value)) {
    return Object.freeze(value.slice(0, ITEMS_MAX).map((item: unknown) => redactValue(item, depth + 1)))
  }
  return redactRecord({ ...value }, depth)
}
