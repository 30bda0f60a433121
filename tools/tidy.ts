/**
 * The house style as a check, for what no linter knows: sizes, dead files, words, opening
 * comments, what may not appear in the pure layers, links that lead nowhere.
 *
 * Each rule is a function from the files to what it found, so that `tidy.test.ts` can show each of
 * them a violation.
 */
import path from 'node:path'
import { readSourceFiles, type SourceFile } from './source-files.ts'
import { findFunctions } from './tidy-functions.ts'

export type Finding = { readonly path: string; readonly line: number; readonly message: string }
type Rule = (files: readonly SourceFile[]) => readonly Finding[]

const FILE_LINES_MAX = 600
const FUNCTION_LINES_MAX = 70
const PURE_LAYERS = /^src\/(base|raft|kv|vector|cluster)\//
const EDGE_LAYERS = /^src\/(env-node|client|cli)\//
/** Files that something else than an import starts, or that only say something to the compiler. */
const ENTRY = /-worker[.]ts$|[.]d[.]ts$/

export const RULES: Readonly<Record<string, Rule>> = {
  fileLength: perFile(/[.](ts|mjs)$/, ({ text }) => {
    const lines = countLines(text)
    return lines > FILE_LINES_MAX
      ? [
          {
            line: FILE_LINES_MAX,
            message: `${lines} lines; ${FILE_LINES_MAX} is the ceiling: split it by idea`,
          },
        ]
      : []
  }),

  functionLength: perFile(/^(?!.*[.]d[.]ts$).*[.]ts$/, ({ text }) =>
    findFunctions(text)
      .filter(({ lines, isSuite }) => lines > FUNCTION_LINES_MAX && !isSuite)
      .map(({ name, line, lines }) => ({
        line,
        message: `function ${name} has ${lines} lines; ${FUNCTION_LINES_MAX} is the ceiling`,
      })),
  ),

  // Tests are explained by what they test. Imports may come first.
  openingComment: perFile(/^(?!.*[.]test[.]ts$).*[.](ts|mjs)$/, ({ text }) =>
    /^(#!.*\n)?(import [^;]*?from '[^']*'\n|import '[^']*'\n|\s)*\/[*/]/.test(text)
      ? []
      : [{ line: 1, message: 'open the file with why it exists and how it fails' }],
  ),

  noAsync: perFile(PURE_LAYERS, (file) =>
    isTest(file.path)
      ? []
      : findLines(
          withoutComments(file.text),
          /\b(async|await)\b(?!['-])|\bPromise[.<(]|\.then\(/,
          'pure layers are synchronous',
        ),
  ),

  onlyHashing: perFile(/^src\//, (file) =>
    isTest(file.path) || EDGE_LAYERS.test(file.path)
      ? []
      : findLines(
          file.text,
          /^import (?!\{( ?(createHash|timingSafeEqual),?)+ \}).*['"]node:crypto['"]/,
          'of node:crypto only createHash and timingSafeEqual are pure',
        ),
  ),

  words: perFile(/./, (file) =>
    /^tools\/tidy([.]test)?[.]ts$/.test(file.path)
      ? []
      : BANNED.flatMap(([pattern, message, where]) =>
          where.test(file.path) ? findLines(file.text, pattern, message) : [],
        ),
  ),

  deadFiles: findDeadFiles,
  links: findBrokenLinks,
}

/** Tested, and waiting for the part of the product that will use it. */
const AWAITED: Readonly<Record<string, string>> = {
  'src/base/error-json.ts': 'errors that travel between peers',
}

const CODE = /[.](ts|mjs|js)$/
const ANY = /^(?!package-lock[.]json$)/
const BANNED: readonly (readonly [RegExp, string, RegExp])[] = [
  [/\bFIXME\b|\bXXX\b|\bHACK\b/, 'mend it, or say what is left and who does it: TODO(name)', ANY],
  [/\bTODO\b(?!\([a-z][a-z-]*\): )/, 'say who: TODO(name): what', ANY],
  [
    /@ts-(ignore|nocheck)|@ts-expect-error(?! \S)/,
    'give the type instead, or @ts-expect-error with the reason',
    CODE,
  ],
  [/(ox|es)lint-disable(?!.* -- \S)/, 'say why: … -- reason', CODE],
  [/\b(describe|it|test)[.](only|skip|todo)\(/, 'a test that is left out proves nothing', CODE],
  [/^\s*debugger\b/, 'left over', CODE],
  [/^(<<<<<<<|=======|>>>>>>>)( |$)/, 'an unfinished merge', ANY],
  [/(^|[\s'"`(=])\/(work|home|root|Users)\//, 'a path of one machine', ANY],
  [/registry[.]npmjs[.]org|"resolved":/, 'a registry host', /./],
]

export function tidy(files: readonly SourceFile[]): readonly string[] {
  return Object.entries(RULES).flatMap(([rule, find]) =>
    find(files).map(({ path: where, line, message }) => `${where}:${line}: ${message} [${rule}]`),
  )
}

/** A file of src that nothing but its own test imports. */
function findDeadFiles(files: readonly SourceFile[]): readonly Finding[] {
  const imported = new Set<string>()
  for (const file of files) {
    if (!CODE.test(file.path)) continue
    const own = file.path.replace(/[.]test[.]ts$/, '.ts')
    for (const [, specifier = ''] of file.text.matchAll(/['"](\.{1,2}\/[^'"\n]+[.]ts)['"]/g)) {
      const target = path.posix.join(path.posix.dirname(file.path), specifier)
      if (target !== own) imported.add(target)
    }
  }
  const sources = files
    .map((file) => file.path)
    .filter((each) => /^src\/.*[.]ts$/.test(each) && !isTest(each))
  const dead = sources.filter(
    (each) => !ENTRY.test(each) && !imported.has(each) && !Object.hasOwn(AWAITED, each),
  )
  const arrived = sources.filter((each) => Object.hasOwn(AWAITED, each) && imported.has(each))
  return [
    ...dead.map((each) => ({
      path: each,
      line: 1,
      message: 'nothing imports it: remove it, or put it to use',
    })),
    ...arrived.map((each) => ({
      path: each,
      line: 1,
      message: 'it is used: take it off the list of awaited files',
    })),
  ]
}

/** Relative links of Markdown pages, without their fragments. */
function findBrokenLinks(files: readonly SourceFile[]): readonly Finding[] {
  const known = new Set(files.flatMap(({ path: each }) => [each, ...foldersOf(each)]))
  return perFile(/[.]md$/, ({ path: page, text }) =>
    text.split('\n').flatMap((line, index) =>
      [...line.matchAll(/\]\(([^)\s#]+)(#[^)]*)?\)/g)]
        .map(([, target = '']) => target)
        .filter((target) => !/^[a-z]+:/.test(target))
        .filter((target) => !known.has(path.posix.join(path.posix.dirname(page), target).replace(/\/$/, '')))
        .map((target) => ({ line: index + 1, message: `the link to ${target} leads nowhere` })),
    ),
  )(files)
}

function perFile(where: RegExp, check: (file: SourceFile) => readonly Omit<Finding, 'path'>[]): Rule {
  return (files) =>
    files
      .filter((file) => where.test(file.path))
      .flatMap((file) => check(file).map((found) => ({ path: file.path, ...found })))
}

function findLines(text: string, pattern: RegExp, message: string): readonly Omit<Finding, 'path'>[] {
  return text.split('\n').flatMap((line, index) => (pattern.test(line) ? [{ line: index + 1, message }] : []))
}

function foldersOf(file: string): readonly string[] {
  const parts = file.split('/').slice(0, -1)
  return parts.map((_, index) => parts.slice(0, index + 1).join('/'))
}

function countLines(text: string): number {
  return text.split('\n').length - (text.endsWith('\n') ? 1 : 0)
}

/** Comments become spaces; line numbers stay. Strings that look like comments are none of ours. */
function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\/|(?<![:'"`])\/\/.*$/gm, (comment) => comment.replace(/[^\n]/g, ' '))
}

function isTest(file: string): boolean {
  return file.endsWith('.test.ts')
}

if (import.meta.main) {
  const files = readSourceFiles()
  const findings = tidy(files)
  for (const finding of findings) console.error(finding)
  console.log(`${files.length} files, ${findings.length} findings`)
  if (findings.length > 0) process.exitCode = 1
}
