/**
 * The Redis data model in the plainest JavaScript, to compare the key machine with. It knows nothing of
 * records, indexes or rounds, and deletes expired keys when it looks at them.
 */
import type { Reply } from '../src/kv/reply.ts'
import { error, OK } from '../src/kv/reply.ts'

type Value = { data: string | Map<string, string>; expireMs: number | null }

const WRONG_TYPE = error('WRONGTYPE Operation against a key holding the wrong kind of value')
const NOT_AN_INTEGER = error('ERR value is not an integer or out of range')

export class KvModel {
  readonly #values = new Map<string, Value>()
  timeMs: number

  constructor(timeMs: number) {
    this.timeMs = timeMs
  }

  #find(key: string): Value | null {
    const value = this.#values.get(key)
    if (value === undefined || (value.expireMs !== null && value.expireMs <= this.timeMs)) {
      this.#values.delete(key)
      return null
    }
    return value
  }

  #put(key: string, data: Value['data'], expireMs: number | null): void {
    this.#values.set(key, { data, expireMs })
  }

  call(args: readonly string[]): Reply {
    const [name, key = '', first = '', second = ''] = args
    const value = this.#find(key)
    const text = value === null || typeof value.data === 'string' ? (value?.data ?? null) : WRONG_TYPE
    const fields = value === null || typeof value.data !== 'string' ? (value?.data ?? new Map()) : WRONG_TYPE
    switch (name) {
      case 'set':
        this.#put(
          key,
          first,
          second === 'px'
            ? this.timeMs + Number(args[4])
            : second === 'keepttl'
              ? (value?.expireMs ?? null)
              : null,
        )
        return OK
      case 'get':
        return text as Reply
      case 'getdel':
        if (typeof text === 'string') this.#values.delete(key)
        return text as Reply
      case 'append':
        return this.#append(key, value, text as Reply, first)
      case 'incrby':
        return this.#increment(key, value, text as Reply, Number(first))
      case 'mset':
        for (let index = 1; index < args.length; index += 2)
          this.#put(args[index] as string, args[index + 1] as string, null)
        return OK
      case 'mget':
        return args.slice(1).map((each) => {
          const found = this.#find(each)?.data
          return typeof found === 'string' ? found : null
        })
      case 'del':
        return args.slice(1).filter((each) => this.#find(each) !== null && this.#values.delete(each)).length
      case 'exists':
        return args.slice(1).filter((each) => this.#find(each) !== null).length
      case 'pexpire':
        return this.#expire(key, value, Number(first), second)
      case 'persist':
        if (value === null || value.expireMs === null) return 0
        value.expireMs = null
        return 1
      case 'pttl':
        if (value === null) return -2
        return value.expireMs === null ? -1 : value.expireMs - this.timeMs
      case 'keys':
        return [...this.#values.keys()].filter((each) => this.#find(each) !== null).sort()
      case 'flushall':
        this.#values.clear()
        return OK
      default:
        return fields instanceof Map ? this.#hash(name ?? '', key, value, fields, args.slice(2)) : fields
    }
  }

  #append(key: string, value: Value | null, text: Reply, more: string): Reply {
    if (text !== null && typeof text !== 'string') return text
    const data = (text ?? '') + more
    this.#put(key, data, value?.expireMs ?? null)
    return data.length
  }

  #increment(key: string, value: Value | null, text: Reply, by: number): Reply {
    if (text !== null && typeof text !== 'string') return text
    if (text !== null && !/^(0|-?[1-9]\d{0,14})$/.test(text)) return NOT_AN_INTEGER
    const sum = Number(text ?? 0) + by
    this.#put(key, String(sum), value?.expireMs ?? null)
    return sum
  }

  #expire(key: string, value: Value | null, afterMs: number, condition: string): Reply {
    if (value === null) return 0
    const expireMs = this.timeMs + afterMs
    const before = value.expireMs ?? Number.POSITIVE_INFINITY
    if (condition === 'nx' && value.expireMs !== null) return 0
    if (condition === 'xx' && value.expireMs === null) return 0
    if (condition === 'gt' && expireMs <= before) return 0
    if (condition === 'lt' && expireMs >= before) return 0
    if (afterMs <= 0) this.#values.delete(key)
    else value.expireMs = expireMs
    return 1
  }

  #hash(
    name: string,
    key: string,
    value: Value | null,
    fields: Map<string, string>,
    args: readonly string[],
  ): Reply {
    const before = fields.size
    switch (name) {
      case 'hset':
        for (let index = 0; index < args.length; index += 2)
          fields.set(args[index] as string, args[index + 1] as string)
        this.#put(key, fields, value?.expireMs ?? null)
        return fields.size - before
      case 'hget':
        return fields.get(args[0] ?? '') ?? null
      case 'hdel':
        for (const field of args) fields.delete(field)
        if (fields.size === 0) this.#values.delete(key)
        return before - fields.size
      case 'hlen':
        return before
      case 'hgetall':
        return { kind: 'map', entries: [...fields].sort(([left], [right]) => (left < right ? -1 : 1)) }
      default:
        throw new Error(`the model does not know ${name}`)
    }
  }
}
