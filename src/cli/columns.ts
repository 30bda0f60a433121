/** Text in columns, for people: two spaces between, numbers to the right. */
import assert from 'node:assert/strict'

export type Cell = string | number

export function renderColumns(headings: readonly string[], rows: readonly (readonly Cell[])[]): string {
  for (const row of rows) assert(row.length === headings.length)
  const widths = headings.map((heading, column) =>
    Math.max(heading.length, ...rows.map((row) => String(row[column]).length)),
  )
  const render = (cells: readonly Cell[], isRight: (column: number) => boolean): string => {
    const padded = cells.map((cell, column) => {
      const width = widths[column] ?? 0
      return isRight(column) ? String(cell).padStart(width) : String(cell).padEnd(width)
    })
    return `${padded.join('  ').trimEnd()}\n`
  }
  const isNumeric = (column: number): boolean =>
    rows.length > 0 && rows.every((row) => typeof row[column] === 'number')
  return render(headings, isNumeric) + rows.map((row) => render(row, isNumeric)).join('')
}
