/**
 * The files the checks look at: what git knows or would take, so that build output, data and
 * dependencies stay out, and a file not yet committed is checked too.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'

export type SourceFile = {
  /** Relative to the root, with `/`. */
  readonly path: string
  readonly text: string
}

export const PROJECT_ROOT: string = path.dirname(import.meta.dirname)

const TEXT_FILE =
  /([.](ts|mjs|js|json|md|yaml|yml|sh|txt|html|css)|^Dockerfile|^LICENSE$|^[.]ci\/run|^[.][a-z]+rc([.]json)?)$/

/** All text files of the project, sorted by path. */
export function readSourceFiles(root: string = PROJECT_ROOT): readonly SourceFile[] {
  const listing = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  })
  const paths = [...new Set(listing.split('\0'))].filter((each) => TEXT_FILE.test(each)).sort()
  const files: SourceFile[] = []
  for (const each of paths) {
    const text = readIfThere(path.join(root, each))
    if (text !== null) files.push({ path: each, text })
  }
  return files
}

/** null for a file that git still lists though it was removed. */
function readIfThere(absolutePath: string): string | null {
  try {
    return readFileSync(absolutePath, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null
    throw error
  }
}
