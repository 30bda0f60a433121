/**
 * Where a batch that begins at `from` ends: as many as `countMax` allows, and of those as many as `bytesMax` allows.
 * At least one, however large it is.
 */
export function batchEnd(
  items: readonly { readonly bytes: number }[],
  from: number,
  countMax: number,
  bytesMax: number,
): number {
  const last = Math.min(items.length, from + countMax)
  let bytes = 0
  let end = from
  while (end < last) {
    bytes += (items[end] as { readonly bytes: number }).bytes
    if (end > from && bytes > bytesMax) break
    end += 1
  }
  return end
}
