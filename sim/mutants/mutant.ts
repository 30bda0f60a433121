/**
 * A planted bug: a few edits of the sources, made in a copy of them. The product can't reach one:
 * nothing in `src` knows of this folder, and nothing here is part of a build.
 *
 * An edit that does not fit exactly once is an error, never a bug that went unnoticed: the table
 * would otherwise rot with every change of the sources.
 */
import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'

export type Mutant = {
  readonly name: string
  /** Where the bug was seen, or which rule it breaks. */
  readonly source: string
  readonly edits: readonly Edit[]
}

/** `find` must occur exactly once in the file. */
export type Edit = { readonly file: string; readonly find: string; readonly replace: string }

export class EditDoesNotFit extends Error {
  override readonly name = 'EditDoesNotFit'
}

export function edit(file: string, find: string, replace: string): Edit {
  return { file, find, replace }
}

/** The file's text with the bug in it. */
export function edited(text: string, { file, find, replace }: Edit): string {
  const count = find === '' ? 0 : text.split(find).length - 1
  if (count !== 1) throw new EditDoesNotFit(`${file} has ${count} places that read ${JSON.stringify(find)}`)
  if (find === replace) throw new EditDoesNotFit(`${file}: an edit that changes nothing`)
  return text.replace(find, () => replace)
}

export async function plant(mutant: Mutant, folder: string): Promise<void> {
  for (const one of mutant.edits) {
    const file = path.join(folder, one.file)
    await writeFile(file, edited(await readFile(file, 'utf8'), one))
  }
}
