/** Runs the trials it is given, one after another, and prints a verdict for each; may be killed by its subject. */
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { judge } from './flip-model.ts'
import { openSubject, type SubjectName } from './subjects.ts'

export type Trial = {
  readonly id: number
  readonly file: string
  readonly offset: number
  readonly xor: number
  readonly region: string
}

const [name, template, work, trialsFile] = process.argv.slice(2) as [SubjectName, string, string, string]
const trials: readonly Trial[] = JSON.parse(readFileSync(trialsFile, 'utf8'))
for (const trial of trials) {
  console.log(JSON.stringify({ id: trial.id, begin: true }))
  const copy = join(work, `copy-${trial.id}`)
  cpSync(template, copy, { recursive: true })
  const path = join(copy, trial.file)
  const bytes = readFileSync(path)
  bytes[trial.offset] = (bytes[trial.offset] ?? 0) ^ trial.xor
  writeFileSync(path, bytes)
  console.log(JSON.stringify({ id: trial.id, ...(await run(copy, trial)) }))
  rmSync(copy, { recursive: true, force: true })
}
process.exit(0)

async function run(copy: string, trial: Trial): Promise<object> {
  let subject: Awaited<ReturnType<typeof openSubject>>
  try {
    subject = await openSubject(name, copy, { writeBufferBytes: 4 * 1024 * 1024, readErrorPerKey: true })
  } catch (error) {
    return { open: 'error', point: 'error', scan: 'error', message: String((error as Error).cause ?? error) }
  }
  const verdict = await judge(subject, trial.region === 'wal')
  await subject.close()
  return { open: 'ok', ...verdict }
}
