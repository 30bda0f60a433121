/**
 * Checks who imports whom, by the rules of `.dependency-cruiser.mjs`.
 *
 * A cruise that could not parse TypeScript would see no modules and find nothing wrong, so every
 * source file on disk must have been seen, and one import that is known must have been followed.
 */
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import path from 'node:path'
import { cruise, type IConfiguration, type ICruiseOptions, type ICruiseResult } from 'dependency-cruiser'
import { PROJECT_ROOT } from './source-files.ts'

export type LayerReport = {
  readonly modules: number
  readonly dependencies: number
  /** `rule: from → to`, sorted. */
  readonly violations: readonly string[]
}

const RULES: string = '../.dependency-cruiser.mjs'
const FOLDERS = ['src', 'sim', 'test', 'bench', 'tools']

export async function checkLayers(root: string = PROJECT_ROOT): Promise<LayerReport> {
  const { default: config } = (await import(RULES)) as { default: IConfiguration }
  const present = new Set(readdirSync(root))
  const folders = FOLDERS.filter((folder) => present.has(folder))
  const options = {
    ...config.options,
    ruleSet: { forbidden: config.forbidden },
    validate: true,
    baseDir: root,
  } as ICruiseOptions
  const { output } = await cruise(folders, options)
  assert(typeof output === 'object', 'a cruise without a reporter gives its result')
  assertAllSeen(output, root, folders)
  return {
    modules: output.summary.totalCruised,
    dependencies: output.summary.totalDependenciesCruised ?? 0,
    violations: output.summary.violations
      .map(({ rule, from, to, cycle }) => {
        const via = cycle === undefined ? to : cycle.map(({ name }) => name).join(' → ')
        return `${rule.name}: ${from}${via === from ? '' : ` → ${via}`}`
      })
      .sort(),
  }
}

function assertAllSeen({ modules }: ICruiseResult, root: string, folders: readonly string[]): void {
  const seen = new Set(modules.map(({ source }) => source))
  const missed = folders.flatMap((folder) => listSources(root, folder)).filter((each) => !seen.has(each))
  assert(seen.size > 0, 'no module was seen')
  assert.deepEqual(missed, [], 'files on disk that the check of layers did not see')
  const followed = modules.some(({ dependencies }) =>
    dependencies.some(({ resolved }) => resolved.endsWith('.ts')),
  )
  assert(followed || seen.size === 1, 'no import of TypeScript was followed')
}

function listSources(root: string, folder: string): string[] {
  return readdirSync(path.join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name)))
}

if (import.meta.main) {
  const report = await checkLayers()
  for (const violation of report.violations) console.error(violation)
  console.log(
    `${report.modules} modules, ${report.dependencies} imports, ${report.violations.length} violations`,
  )
  if (report.violations.length > 0) process.exitCode = 1
}
