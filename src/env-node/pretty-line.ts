/** A log entry as one line for people: time, level, message, then the fields as `name=value`. Pure. */

const LEVEL_WIDTH = 7
const MAX_VALUE_CHARS = 400

/** `line` is one JSON entry as pino writes it; a line that is none comes back as it is. */
export function formatPrettyLine(line: string): string {
  let entry: Record<string, unknown>
  try {
    entry = JSON.parse(line) as Record<string, unknown>
  } catch {
    return line
  }
  const { time, level, message, ...fields } = entry
  let text = `${textOf(time)} ${textOf(level).toUpperCase().padEnd(LEVEL_WIDTH)} ${oneLine(textOf(message))}`
  for (const [name, value] of Object.entries(fields)) text += ` ${name}=${formatValue(value)}`
  return `${text}\n`
}

function formatValue(value: unknown): string {
  const text = typeof value === 'string' && /^[^\s"=]+$/.test(value) ? value : JSON.stringify(describe(value))
  return text.length <= MAX_VALUE_CHARS ? text : `${text.slice(0, MAX_VALUE_CHARS)}…`
}

// An error's stack is for the JSON form; its message already names its causes.
function describe(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !('stack' in value) || !('message' in value))
    return value
  return value.message
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '')
}

// A message must not be able to forge a second line.
function oneLine(text: string): string {
  return text.replace(/[\r\n]+/g, ' ')
}
