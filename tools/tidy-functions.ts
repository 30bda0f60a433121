/**
 * Finds the functions of a TypeScript file and how long they are. Uses a real parser: guessing
 * from braces and indentation would miss what it is there to find.
 */
import { Buffer } from 'node:buffer'
import { parseSync } from '@swc/core'

export type FunctionSpan = {
  /** `anonymous` when it has none. */
  readonly name: string
  readonly line: number
  readonly lines: number
  /** The callback of `describe` or `suite`: a list of tests, not a function somebody has to follow. */
  readonly isSuite: boolean
}

type Node = { readonly type: string; readonly span: { readonly start: number; readonly end: number } }

const FUNCTION_TYPES: ReadonlySet<string> = new Set([
  'FunctionDeclaration',
  'FunctionExpression',
  'ArrowFunctionExpression',
  'ClassMethod',
  'PrivateMethod',
  'Constructor',
  'MethodProperty',
  'GetterProperty',
  'SetterProperty',
])
const SUITES: ReadonlySet<string> = new Set(['describe', 'suite'])

export function findFunctions(text: string): readonly FunctionSpan[] {
  const bytes = Buffer.from(text, 'utf8')
  const program: unknown = parseSync(text, { syntax: 'typescript', target: 'es2024' })
  const found: FunctionSpan[] = []
  // Spans are positions in the UTF-8 bytes, counted from 1.
  const lineAt = (position: number) => countLines(bytes, position - 1)
  const visit = (value: unknown, name: string, isSuite: boolean): void => {
    if (Array.isArray(value)) {
      for (const item of value) visit(item, name, isSuite)
      return
    }
    if (typeof value !== 'object' || value === null) return
    const ownName = nameOf(value) ?? name
    if (isFunction(value)) {
      const line = lineAt(value.span.start)
      found.push({ name: ownName, line, lines: lineAt(value.span.end) - line + 1, isSuite })
    }
    const callsSuite = isSuiteCall(value)
    for (const [key, child] of Object.entries(value)) {
      const isInSuite = (callsSuite && key === 'arguments') || (isSuite && key === 'expression')
      if (key !== 'span') visit(child, isFunction(value) ? 'anonymous' : ownName, isInSuite)
    }
  }
  visit(program, 'anonymous', false)
  return found
}

function isFunction(value: object): value is Node {
  return 'type' in value && typeof value.type === 'string' && FUNCTION_TYPES.has(value.type)
}

function isSuiteCall(value: object): boolean {
  if (!('type' in value) || value.type !== 'CallExpression' || !('callee' in value)) return false
  const { callee } = value
  return (
    typeof callee === 'object' && callee !== null && 'value' in callee && SUITES.has(String(callee.value))
  )
}

/** The name a declaration, method, property or variable gives to what is inside it. */
function nameOf(value: object): string | null {
  for (const key of ['identifier', 'key', 'id']) {
    const named: unknown = key in value ? value[key as keyof typeof value] : null
    if (typeof named === 'object' && named !== null && 'value' in named && typeof named.value === 'string') {
      return named.value
    }
  }
  return null
}

function countLines(bytes: Buffer, end: number): number {
  let lines = 1
  for (let at = bytes.indexOf(10); at !== -1 && at < end; at = bytes.indexOf(10, at + 1)) lines++
  return lines
}
