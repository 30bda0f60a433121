/**
 * Reads docs/requirements.md: which test proves which requirement. A row is one item; its proof
 * names tests as `path#name`, its last column says what is not proved yet.
 */
import type { SourceFile } from './source-files.ts'

export const REQUIREMENTS_PAGE = 'docs/requirements.md'

/** How many items each part of the requirements has; every one must have its row. */
export const ITEMS: Readonly<Record<string, number>> = { A0: 23, A1: 6, A2: 10, A3: 8, A4: 13, E: 5 }

export type Proof = { readonly path: string; readonly test: string }
export type Requirement = {
  readonly item: string
  readonly proofs: readonly Proof[]
  /** Empty when the proofs cover the item. */
  readonly missing: string
}

export function expectedItems(): readonly string[] {
  return Object.entries(ITEMS).flatMap(([part, count]) =>
    Array.from({ length: count }, (_, index) => `${part}.${index + 1}`),
  )
}

export function parseRequirements(page: string): readonly Requirement[] {
  return page.split('\n').flatMap((line) => {
    const [, item, , proofs = '', missing = ''] = /^\| ([AE]\d*[.]\d+) \|(.*)\|(.*)\|(.*)\|$/.exec(line) ?? []
    return item === undefined ? [] : [{ item, proofs: parseProofs(proofs), missing: missing.trim() }]
  })
}

function parseProofs(cell: string): readonly Proof[] {
  return [...cell.matchAll(/`([^`#]+)#([^`]+)`/g)].map(([, path = '', test = '']) => ({ path, test }))
}

/** What is wrong with the page; nothing when it tells the truth about the tests there are. */
export function checkRequirements(
  requirements: readonly Requirement[],
  files: readonly SourceFile[],
): readonly string[] {
  const problems: string[] = []
  const items = requirements.map(({ item }) => item)
  for (const item of expectedItems()) if (!items.includes(item)) problems.push(`${item} has no row`)
  for (const item of items) if (!expectedItems().includes(item)) problems.push(`${item} is no item`)
  for (const [index, item] of items.entries())
    if (items.indexOf(item) !== index) problems.push(`${item} has two rows`)
  for (const { item, proofs, missing } of requirements) {
    if (proofs.length === 0 && missing === '')
      problems.push(`${item} has neither a proof nor says what is missing`)
    for (const proof of proofs)
      if (!isTest(proof, files)) problems.push(`${item}: there is no ${proof.path}#${proof.test}`)
  }
  return problems
}

/** The name must stand in the file as that of a test or suite; a name put together at run time can't be cited. */
function isTest({ path, test }: Proof, files: readonly SourceFile[]): boolean {
  if (!path.endsWith('.test.ts')) return false
  const text = files.find((file) => file.path === path)?.text
  if (text === undefined) return false
  return [...text.matchAll(/\b(?:describe|it|test|suite)\(\s*(['"`])(.*?)\1\s*,/g)].some(
    ([, , name]) => name === test,
  )
}
