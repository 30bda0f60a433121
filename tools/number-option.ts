/** The numbers that the commands of this repository are given: a slip must not run something else. */

/** `name` as the user wrote it, with its dashes. Throws what to write instead. */
export function numberOption(name: string, text: string): number {
  const value = Number(text)
  if (text.trim() !== '' && Number.isFinite(value) && value >= 0) return value
  throw new Error(`${name} is a number from 0 on, not ${JSON.stringify(text)}`)
}
