/** Ends a `switch` over a discriminated union: the compiler proves that no kind was forgotten. */
export function unreachable(value: never): never {
  throw new Error(`unreachable value: ${JSON.stringify(value)}`)
}
