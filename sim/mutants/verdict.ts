/**
 * Tells a bug that was found from a run that merely broke. A mutant is killed by the reason of a
 * checker or of an assertion of the product; a program that stumbles over its own `undefined`, in
 * the harness or in the mutated code, has found nothing: nobody knows what it would have done.
 */

/** One error of a chain of causes, outermost first. */
export type ErrorFacts = { readonly name: string; readonly message: string; readonly stack: string }

export type Verdict =
  /** `reason`: in the words of the checker. */
  | { readonly kind: 'killed'; readonly reason: string }
  /** To be looked at: the mutant counts as alive. */
  | { readonly kind: 'broken'; readonly reason: string }

const CAUSES_MAX = 10
const STUMBLE = /\b(Type|Reference|Syntax|Range)Error\b/
/** Says only that something ended: the cause has to say why. */
const SAYS_NOTHING = /gave up without a reason|did not stop well/

export function chainOf(error: unknown): readonly ErrorFacts[] {
  const chain: ErrorFacts[] = []
  for (let at: unknown = error; at !== undefined && at !== null && chain.length < CAUSES_MAX; ) {
    if (!(at instanceof Error)) {
      chain.push({ name: 'not an error', message: JSON.stringify(at) ?? typeof at, stack: '' })
      break
    }
    chain.push({ name: at.name, message: at.message, stack: at.stack ?? '' })
    at = at.cause
  }
  return chain
}

export function verdictOf(chain: readonly ErrorFacts[]): Verdict {
  const root = chain.at(-1)
  if (root === undefined) return { kind: 'broken', reason: 'an error without words' }
  const reason = firstLine(root.message)
  const hasStumbled = chain.some(({ name, message }) => STUMBLE.test(name) || STUMBLE.test(message))
  if (hasStumbled) return { kind: 'broken', reason: `${root.name}: ${reason}` }
  // Node's own complaints; an assertion is one of ours.
  if (/\[ERR_/.test(root.name) && !/ERR_ASSERTION/.test(root.name)) return { kind: 'broken', reason }
  if (SAYS_NOTHING.test(root.message)) return { kind: 'broken', reason }
  return { kind: 'killed', reason }
}

/** Of an assertion without words: what it asserts. */
function firstLine(text: string): string {
  const [first = '', ...rest] = text.trim().split('\n')
  if (!/^(The expression evaluated|Expected values)/.test(first)) return first
  return [first, ...rest.map((line) => line.trim()).filter((line) => line !== '')].slice(0, 4).join(' ')
}
