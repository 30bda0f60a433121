/** docs/reference/options.md, from the option table. Pure. */
import {
  environmentVariable,
  mayStandInFile,
  OPTION_NAMES,
  type OptionName,
  SECTIONS,
  specOf,
} from './option-table.ts'

const INTRODUCTION = `# Options of \`holdfast start\`

<!-- Written by tools/write-options-page.ts from src/cli/options/option-table.ts: change that, not this. -->

Every option can be given in three ways, under one name: as a flag (\`--redis-port 6379\`), as an environment
variable (\`HOLDFAST_REDIS_PORT=6379\`), and in a YAML file (\`redis-port: 6379\`) that \`--config\` or
\`HOLDFAST_CONFIG\` names. Flags win over the environment, the environment over the file, the file over the
defaults. An empty variable counts as absent. A value that is not allowed is an error wherever it stands, also
where a stronger source replaces it; all errors are reported at once, each with its source.

\`\`\`yaml
# holdfast.yaml
data-dir: /var/lib/holdfast
node-id: n1
host: 10.0.0.1
password-file: /etc/holdfast/password
join: [10.0.0.2:7400, 10.0.0.3:7400]
max-memory: 2GiB
\`\`\`

\`holdfast config check FILE\` checks a file without starting anything. Durations and sizes are written with their
unit: \`150ms\`, \`2s\`, \`64MiB\`. In YAML a value that looks like a number or a boolean and is meant as text needs
quotes: \`node-id: "1"\`.

Kubernetes sets variables like \`HOLDFAST_REDIS_PORT=tcp://…\` in every pod when a service has a fitting name; put
\`enableServiceLinks: false\` into the pod.
`

export function renderOptionsPage(): string {
  return INTRODUCTION + SECTIONS.map(renderSection).join('')
}

function renderSection(section: (typeof SECTIONS)[number]): string {
  const names = OPTION_NAMES.filter((name) => specOf(name).section === section)
  return `\n## ${section}\n${names.map(renderOption).join('')}`
}

function renderOption(name: OptionName): string {
  const { kind, default: value, summary, detail } = specOf(name)
  const flag = kind.placeholder === '' ? `--${name}` : `--${name} ${kind.placeholder}`
  const places = [
    `\`${flag}\``,
    `\`${environmentVariable(name)}\``,
    ...(mayStandInFile(name) ? [] : ['not in the file']),
  ]
  const rows = [
    `${summary}.${detail === undefined ? '' : ` ${detail}`}`,
    '',
    `- ${places.join(' · ')}`,
    `- Allowed: ${kind.allowed}`,
    `- Default: ${value === null ? 'none' : `\`${kind.show(value)}\``}`,
  ]
  return `\n### ${name}\n\n${rows.join('\n')}\n`
}
