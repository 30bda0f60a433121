import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseConfigFile } from './config-file.ts'
import { describeProblem } from './option-problem.ts'
import { environmentVariable, OPTION_NAMES, OPTIONS, type OptionName } from './option-table.ts'
import { type Resolution, resolveOptions, sourceOf } from './resolve-options.ts'
import { editDistance, suggest } from './suggest.ts'

type Inputs = {
  readonly flags?: Partial<Record<OptionName, string>>
  readonly environment?: Record<string, string>
  readonly yaml?: string
}

async function resolve({ flags = {}, environment = {}, yaml }: Inputs): Promise<Resolution> {
  const file = yaml === undefined ? null : await parseConfigFile('h.yaml', yaml)
  return resolveOptions({
    flags: new Map(Object.entries(flags) as [OptionName, string][]),
    environment,
    file,
  })
}

async function problemsOf(inputs: Inputs): Promise<readonly string[]> {
  return (await resolve(inputs)).problems.map(describeProblem)
}

test('without any source every option has its default', async () => {
  const { resolved, problems } = await resolve({})
  assert.deepEqual(problems, [])
  for (const name of OPTION_NAMES) assert.deepEqual(resolved.values[name], OPTIONS[name].default, name)
})

test('flags win over the environment, the environment over the file, the file over defaults', async () => {
  const yaml = 'redis-port: 1001\n'
  const environment = { HOLDFAST_REDIS_PORT: '1002' }
  const flags = { 'redis-port': '1003' }
  const of = async (inputs: Inputs): Promise<unknown> => {
    const { resolved, problems } = await resolve(inputs)
    assert.deepEqual(problems, [])
    return [resolved.values['redis-port'], sourceOf(resolved, 'redis-port')]
  }
  assert.deepEqual(await of({}), [6379, 'the default of --redis-port'])
  assert.deepEqual(await of({ yaml }), [1001, 'h.yaml:1:13'])
  assert.deepEqual(await of({ yaml, environment }), [1002, 'HOLDFAST_REDIS_PORT'])
  assert.deepEqual(await of({ yaml, environment, flags }), [1003, '--redis-port'])
})

test('a weaker source that is wrong is reported although a stronger one replaces it', async () => {
  const problems = await problemsOf({ yaml: 'redis-port: 70000', flags: { 'redis-port': '6379' } })
  assert.deepEqual(problems, [
    'h.yaml:1:13: option redis-port: "70000" is not allowed; it must be a port, 0 to 65535 (0: any free one)',
  ])
})

test('every problem of every source is reported, with where it stands and what is allowed', async () => {
  const problems = await problemsOf({
    yaml: 'redis-prt: 1\nhost: [a]\nheartbeat: 30\nroles: [data, cook]\n',
    environment: { HOLDFAST_NODE_ID: 'a b', HOLDFAST_LOG_LEVEL: 'loud' },
    flags: { 'peer-port': '-1' },
  })
  assert.deepEqual([...problems].sort(), [
    '--peer-port: option peer-port: "-1" is not allowed; it must be a port, 0 to 65535 (0: any free one)',
    'HOLDFAST_LOG_LEVEL: option log-level: "loud" is not allowed; it must be one of debug, info, warning, error',
    'HOLDFAST_NODE_ID: option node-id: "a b" is not allowed; it must be 1 to 64 of the characters A-Z a-z 0-9 _ -',
    'h.yaml:1:1: there is no option redis-prt; did you mean redis-port?',
    'h.yaml:2:7: option host is a list; it must be a host name or an IP address, without a port',
    'h.yaml:3:12: option heartbeat is a number (put it in quotes); it must be a duration with its unit (ms, s, m, h), 5ms to 5s',
    'h.yaml:4:8: option roles: "data,cook" is not allowed; it must be one or more of control, data, gateway, separated by commas',
  ])
})

test('lists may be written as YAML lists or with commas', async () => {
  const expected = [
    { host: 'n1', port: 7400 },
    { host: 'n2', port: 7400 },
  ]
  for (const yaml of [
    'join: [n1:7400, n2:7400]',
    'join: n1:7400,n2:7400',
    'join:\n  - n1:7400\n  - n2:7400\n',
  ]) {
    const { resolved, problems } = await resolve({ yaml })
    assert.deepEqual(problems, [], yaml)
    assert.deepEqual(resolved.values.join, expected)
  }
})

test('YAML that can not be read, names its place', async () => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ['host: "a\n', /^h\.yaml:\d+:\d+: /],
    ['host: a\nhost: b\n', /^h\.yaml:2:1: Map keys must be unique/],
    ['- host\n', /^h\.yaml:1:1: the file is not a list of options/],
    ['host:\n', /^h\.yaml:1:\d+: option host has no value/],
    ['config: other.yaml\n', /^h\.yaml:1:1: option config can't stand in a file/],
    ['redisPort: 1\n', /did you mean redis-port\?$/],
    ['zzzzzzzzzz: 1\n', /docs\/reference\/options\.md lists all options$/],
    ['redis-port: "1"\n', /option redis-port is text/],
    ['host: {a: b}\n', /option host is a map/],
    ['1: 2\n', /there is no option 1/],
  ]
  for (const [yaml, expected] of cases) {
    const problems = await problemsOf({ yaml })
    assert.equal(problems.length, 1, `${yaml} -> ${problems.join(' | ')}`)
    assert.match(problems[0] ?? '', expected)
  }
})

test('an empty file and a file of comments say nothing', async () => {
  assert.deepEqual(await problemsOf({ yaml: '' }), [])
  assert.deepEqual(await problemsOf({ yaml: '# nothing\n' }), [])
})

test('a secret is never repeated in an error', async () => {
  const secret = 's3cret'.repeat(100)
  const problems = await problemsOf({ environment: { HOLDFAST_PASSWORD: secret } })
  assert.equal(problems.length, 1)
  assert.ok(!problems[0]?.includes('s3cret'))
})

test('binding beyond loopback needs a password or the word of the operator', async () => {
  const [problem] = await problemsOf({ flags: { host: '0.0.0.0' } })
  assert.match(
    problem ?? '',
    /^--host: option host: 0\.0\.0\.0 can be reached from other machines.*force-insecure-bind/,
  )
  assert.deepEqual(await problemsOf({ flags: { host: '0.0.0.0', password: 'x' } }), [])
  assert.deepEqual(await problemsOf({ flags: { host: '0.0.0.0', 'force-insecure-bind': 'true' } }), [])
  for (const host of ['127.0.0.1', '127.1.2.3', '::1', 'localhost']) {
    assert.deepEqual(await problemsOf({ flags: { host } }), [], host)
  }
  for (const host of ['::', '10.0.0.1', 'n1', '127.0.0.1.example']) {
    assert.equal((await problemsOf({ flags: { host } })).length, 1, host)
  }
})

test('combinations that can not work are refused and name both sides', async () => {
  const cases: readonly (readonly [Inputs, RegExp])[] = [
    [{ flags: { 'redis-port': '7400' } }, /peer-port: 7400 is the redis-port too \(--redis-port\)/],
    [
      { flags: { heartbeat: '100ms' } },
      /150ms is too short beside a heartbeat of 100ms \(--heartbeat\).*300ms/,
    ],
    [{ flags: { password: 'a', 'password-file': 'b' } }, /there is a password too/],
    [{ flags: { 'max-value-size': '512MiB' } }, /too much for a max-memory of 512MiB/],
  ]
  for (const [inputs, expected] of cases) {
    const problems = await problemsOf(inputs)
    assert.equal(problems.length, 1, problems.join(' | '))
    assert.match(problems[0] ?? '', expected)
  }
  const anyFree = { 'redis-port': '0', 'http-port': '0', 'peer-port': '0', 'milvus-port': '0' }
  assert.deepEqual(await problemsOf({ flags: anyFree }), [])
})

test('variables: empty means absent, a service link is explained, a misspelling is warned of', async () => {
  assert.deepEqual(await problemsOf({ environment: { HOLDFAST_JOIN: '' } }), [])
  const [link] = await problemsOf({ environment: { HOLDFAST_REDIS_PORT: 'tcp://10.0.0.1:6379' } })
  assert.match(link ?? '', /enableServiceLinks: false/)
  const { warnings } = await resolve({
    environment: { HOLDFAST_REDIS_PROT: '1', HOLDFAST_SERVICE_HOST: '10.0.0.1', PATH: '' },
  })
  assert.deepEqual(warnings.map(describeProblem), [
    'HOLDFAST_REDIS_PROT: no option has this variable; did you mean HOLDFAST_REDIS_PORT?',
  ])
})

test('names, variables and suggestions', () => {
  assert.equal(environmentVariable('redis-port'), 'HOLDFAST_REDIS_PORT')
  for (const name of OPTION_NAMES) assert.match(name, /^[a-z]+(-[a-z]+)*$/)
  assert.equal(editDistance('port', 'prot'), 1)
  assert.equal(editDistance('', 'abc'), 3)
  assert.equal(editDistance('kitten', 'sitting'), 3)
  assert.equal(suggest('hots', ['host', 'join']), 'host')
  assert.equal(suggest('x', ['host', 'join']), null)
})
