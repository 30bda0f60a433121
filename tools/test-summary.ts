/** Reads the counts at the end of what Node's spec reporter prints. */

export type TestSummary = {
  readonly tests: number
  readonly passed: number
  readonly failed: number
  readonly skipped: number
}

/** null when the run ended before it could count. */
export function parseTestSummary(output: string): TestSummary | null {
  const count = (name: string) => {
    const found = [...output.matchAll(new RegExp(`^ℹ ${name} (\\d+)$`, 'gm'))].at(-1)?.[1]
    return found === undefined ? null : Number(found)
  }
  const tests = count('tests')
  const passed = count('pass')
  const failed = count('fail')
  const cancelled = count('cancelled')
  if (tests === null || passed === null || failed === null || cancelled === null) return null
  return {
    tests,
    passed,
    failed: failed + cancelled,
    skipped: (count('skipped') ?? 0) + (count('todo') ?? 0),
  }
}
