/** What only shows when options are seen together: each value is allowed, the combination is not. */
import { describeSource, type OptionProblem } from './option-problem.ts'
import type { OptionName } from './option-table.ts'
import type { ResolvedOptions } from './resolve-options.ts'
import { showDuration, showSize } from './value-kinds.ts'

const PORTS = ['redis-port', 'milvus-port', 'http-port', 'livez-port', 'peer-port'] as const

export function checkTogether(resolved: ResolvedOptions): readonly OptionProblem[] {
  const checks = [checkBind, checkPassword, checkTiming, checkLimits, checkPorts]
  return checks.flatMap((check) => check(resolved))
}

function checkBind(resolved: ResolvedOptions): readonly OptionProblem[] {
  const { host, password } = resolved.values
  const isProtected = password !== null || resolved.values['password-file'] !== null
  if (isLoopback(host) || isProtected || resolved.values['force-insecure-bind']) return []
  const message =
    `option host: ${host} can be reached from other machines, and there is no password: whoever reaches the ` +
    'port could read, change and delete everything'
  const allowed =
    'set password-file or password, bind to 127.0.0.1, or say force-insecure-bind if the network itself is protected'
  return [{ ...problem(resolved, 'host', message, allowed), kind: 'exposure' }]
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host)
}

function checkPassword(resolved: ResolvedOptions): readonly OptionProblem[] {
  if (resolved.values.password === null || resolved.values['password-file'] === null) return []
  const other = describe(resolved, 'password')
  return [
    problem(
      resolved,
      'password-file',
      `option password-file: there is a password too (${other})`,
      'give one of them',
    ),
  ]
}

function checkTiming(resolved: ResolvedOptions): readonly OptionProblem[] {
  const heartbeatMs = resolved.values.heartbeat
  const electionMs = resolved.values['election-timeout']
  if (electionMs >= 3 * heartbeatMs) return []
  return [
    problem(
      resolved,
      'election-timeout',
      `option election-timeout: ${showDuration(electionMs)} is too short beside a heartbeat of ` +
        `${showDuration(heartbeatMs)} (${describe(resolved, 'heartbeat')}): one late message would unseat the leader`,
      `it must be at least three times the heartbeat, ${showDuration(3 * heartbeatMs)}`,
    ),
  ]
}

function checkLimits(resolved: ResolvedOptions): readonly OptionProblem[] {
  const valueBytes = resolved.values['max-value-size']
  const memoryBytes = resolved.values['max-memory']
  if (valueBytes * 2 <= memoryBytes) return []
  return [
    problem(
      resolved,
      'max-value-size',
      `option max-value-size: ${showSize(valueBytes)} is too much for a max-memory of ${showSize(memoryBytes)}`,
      'it must be at most half of max-memory',
    ),
  ]
}

function checkPorts(resolved: ResolvedOptions): readonly OptionProblem[] {
  const problems: OptionProblem[] = []
  const owners = new Map<number | null, OptionName>()
  for (const name of PORTS) {
    const port = resolved.values[name]
    const owner = owners.get(port)
    if (owner === undefined) owners.set(port, name)
    else if (port !== 0 && port !== null) {
      const other = describe(resolved, owner)
      problems.push(
        problem(
          resolved,
          name,
          `option ${name}: ${port} is the ${owner} too (${other})`,
          'each needs its own, or 0',
        ),
      )
    }
  }
  return problems
}

function describe(resolved: ResolvedOptions, name: OptionName): string {
  return describeSource(name, resolved.sources.get(name) ?? { kind: 'default' })
}

function problem(
  resolved: ResolvedOptions,
  name: OptionName,
  message: string,
  allowed: string,
): OptionProblem {
  return { where: describe(resolved, name), message, allowed }
}
