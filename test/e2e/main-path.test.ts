import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { CapacityJson } from '../../src/bridge/schemas/capacity.js'
import { CreatedKeyJson } from '../../src/bridge/schemas/key.js'
import {
  ExplanationJson,
  ProgressJson,
  ResultJson,
  TaskJson,
  TaskPageJson,
} from '../../src/bridge/schemas/task.js'
import type { CliRun } from '../helpers/cli.js'
import { createProcessMesh, type ProcessMesh } from '../helpers/process-mesh.js'
import { until } from '../helpers/until.js'

const GCD = 'Write a JavaScript function gcd that returns the gcd of two numbers.'
const GCD_TEXT = 'function gcd(a, b) { while (b) [a, b] = [b, a % b]; return a; }'
const GCD_TEST = `import assert from 'node:assert'
import { gcd } from './gcd.js'
assert.equal(gcd(12, 18), 6)
console.log('ok: gcd')
`

let mesh: ProcessMesh
let folder: string

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'edgecoder-files-'))
  mesh = await createProcessMesh({ coordinators: 1, workers: 2, gateways: 1 })
  await mesh.start()
}, 120_000)

afterAll(async () => {
  await mesh?.close()
  rmSync(folder, { recursive: true, force: true })
})

/** Runs the CLI in the folder of files. */
function edgecoder(...args: readonly string[]): Promise<CliRun> {
  return mesh.cli(args, { cwd: folder })
}

function file(name: string, content: string): string {
  const path = join(folder, name)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, content)
  return name
}

const Line = z.union([ProgressJson, z.object({ type: z.literal('result'), result: ResultJson })])

/** A watched task with --json: its events, and its result. */
function watched(run: CliRun) {
  const lines = run.lines().map((line) => Line.parse(line))
  const last = lines.at(-1)
  if (last?.type !== 'result') throw new Error(`no result: ${run.stdout}${run.stderr}`)
  return { events: lines.flatMap((line) => (line.type === 'result' ? [] : [line])), result: last.result }
}

function statesOf(events: readonly ProgressJson[]): readonly string[] {
  return events.flatMap((event) => (event.type === 'state' ? [event.task.state] : []))
}

describe('chat', () => {
  it('streams the answer to stdout and the talk to stderr', async () => {
    const run = await edgecoder('task', 'submit', 'chat', GCD)
    expect(run).toMatchObject({ code: 0 })
    expect(run.stdout).toMatch(`${GCD_TEXT}\n— done by worker-`)
    expect(run.stderr).toMatch(/is durable.*\n {2}queued\n {2}leased on worker-\d\n {2}running on worker-\d/s)
    expect(run.stderr).not.toContain('gcd(a')
  })

  it('tells each state once and in order, its text between running and done, then the result', async () => {
    const run = await edgecoder('task', 'submit', 'chat', GCD, '--id', 'chat-1', '--json')
    const { events, result } = watched(run)
    expect(run).toMatchObject({ code: 0, stderr: '' })
    expect(statesOf(events).filter((state) => state !== 'submitting')).toEqual([
      'queued',
      'leased',
      'running',
      'done',
    ])
    const seqs = events.map((event) => event.seq)
    expect(seqs).toEqual([...new Set(seqs)].toSorted((a, b) => a - b))
    const kinds = events.map((event) => (event.type === 'state' ? event.task.state : event.type))
    expect(kinds.lastIndexOf('text')).toBeLessThan(kinds.indexOf('done'))
    expect(kinds.indexOf('text')).toBeGreaterThan(kinds.indexOf('leased'))
    expect(events.map((event) => (event.type === 'text' ? event.text : '')).join('')).toBe(GCD_TEXT)
    expect(result).toMatchObject({
      kind: 'chat',
      text: GCD_TEXT,
      finishReason: 'stop',
      task: { id: 'chat-1', account: 'local', state: 'done', attempt: 1 },
      usage: { model: 'tiny-coder' },
    })
    expect(result.usage.completionTokens).toBeGreaterThan(10)
  })

  it('is told again from the start to whoever watches later', async () => {
    const run = await edgecoder('task', 'watch', 'chat-1', '--json')
    const { events, result } = watched(run)
    expect(run.code).toBe(0)
    expect(statesOf(events).at(-1)).toBe('done')
    expect(events.map((event) => (event.type === 'text' ? event.text : '')).join('')).toBe(GCD_TEXT)
    expect(result).toMatchObject({ kind: 'chat', text: GCD_TEXT })
  })

  it('with the same id and content is the same task, with other content a conflict', async () => {
    const again = await edgecoder('task', 'submit', 'chat', GCD, '--id', 'chat-1', '--no-wait', '--json')
    const first = TaskJson.parse((await edgecoder('task', 'show', 'chat-1', '--json')).json())
    expect(TaskJson.parse(again.json())).toEqual(first)
    const other = await edgecoder('task', 'submit', 'chat', 'something else', '--id', 'chat-1', '--json')
    expect(other).toMatchObject({ code: 4 })
    expect(other.json()).toMatchObject({ error: { code: 'task-conflict' } })
  })
})

describe('solve', () => {
  it('ends with tests that pass in the sandbox and a patch that applies', async () => {
    const files = [file('package.json', '{ "type": "module" }\n'), file('gcd.test.js', GCD_TEST)]
    const suite = ['--file', ...files, '--', 'node', 'gcd.test.js']
    const run = await edgecoder(
      ...['task', 'submit', 'solve', GCD, '--target', 'gcd.js', '--id', 'solve-1', '--json'],
      ...suite,
    )
    const { events, result } = watched(run)
    expect(run.code).toBe(0)
    expect(result).toMatchObject({
      kind: 'solve',
      solved: true,
      iterations: 1,
      report: { verdict: 'passed', exitCode: 0, stdout: 'ok: gcd\n', truncated: false },
    })
    const stages = events.flatMap((event) => (event.type === 'stage' ? [event.stage] : []))
    expect([...new Set(stages)]).toEqual(['plan', 'code', 'test'])

    const patch = await edgecoder('task', 'result', 'solve-1', '--patch')
    writeFileSync(join(folder, 'gcd.patch'), patch.stdout)
    execFileSync('git', ['apply', 'gcd.patch'], { cwd: folder, env: { ...process.env, GIT_DIR: '/nowhere' } })
    expect(readFileSync(join(folder, 'gcd.js'), 'utf8')).toContain(GCD_TEXT)
    expect(execFileSync('node', ['gcd.test.js'], { cwd: folder, encoding: 'utf8' })).toBe('ok: gcd\n')
  })

  it('has its answer tried by another worker on tests that its own never saw', async () => {
    const files = [file('package.json', '{ "type": "module" }\n'), file('gcd.test.js', GCD_TEST)]
    const hidden = file('secret.test.js', GCD_TEST.replace('gcd(12, 18), 6', 'gcd(7, 5), 1'))
    const submit = ['task', 'submit', 'solve', GCD, '--target', 'gcd.js', '--id', 'solve-hidden', '--json']
    const tests = ['--file', ...files, '--hidden-test', hidden, '--', 'node', 'gcd.test.js']
    const run = await edgecoder(...submit, ...tests)
    expect(watched(run).result).toMatchObject({ solved: true, files: [{ path: 'gcd.js' }] })
    const shown = await until('the hidden tests', async () => {
      const task = TaskJson.parse((await edgecoder('task', 'show', 'solve-hidden', '--json')).json())
      return task.hidden?.verdict !== 'pending' && task
    })
    expect(shown.hidden).toEqual({ verdict: 'passed' })
  })

  it('that never passes exits 1, tells the rounds it took and gives what it has', async () => {
    const test = file('hopeless.test.js', "console.log('not this time')\nprocess.exit(3)\n")
    const run = await edgecoder(
      ...['task', 'submit', 'solve', GCD, '--target', 'gcd.js', '--iterations', '2'],
      ...['--file', test, '--', 'node', 'hopeless.test.js'],
    )
    expect(run.code).toBe(1)
    expect(run.stdout).toContain('NOT solved in 2 rounds, tests failed (exit 3')
    expect(run.stderr).toContain('mend 2:')
  })
})

describe('test', () => {
  it('passes and fails as the command does, in JavaScript', async () => {
    const good = file('good.test.js', "console.log('fine')\n")
    const bad = file('bad.test.js', "console.error('not fine'); process.exitCode = 7\n")
    const passed = await edgecoder('task', 'submit', 'test', '--json', '--file', good, '--', 'node', good)
    expect(passed.code).toBe(0)
    expect(watched(passed).result).toMatchObject({
      kind: 'test',
      report: { verdict: 'passed', exitCode: 0, stdout: 'fine\n' },
    })
    const failed = await edgecoder('task', 'submit', 'test', '--json', '--file', bad, '--', 'node', bad)
    expect(failed.code).toBe(1)
    expect(watched(failed).result).toMatchObject({
      task: { state: 'done' },
      report: { verdict: 'failed', exitCode: 7, stderr: 'not fine\n' },
    })
  })

  it('passes and fails as the command does, in Python, with files in folders', async () => {
    const lib = file('lib/half.py', 'def half(n):\n    return n // 2\n')
    const good = file('good.py', "from lib.half import half\nassert half(8) == 4\nprint('halved')\n")
    const bad = file('bad.py', 'from lib.half import half\nassert half(8) == 5\n')
    const passed = await edgecoder(
      'task',
      'submit',
      'test',
      '--json',
      '--file',
      lib,
      good,
      '--',
      'python3',
      good,
    )
    expect(passed.code).toBe(0)
    expect(watched(passed).result).toMatchObject({ report: { verdict: 'passed', stdout: 'halved\n' } })
    const failed = await edgecoder('task', 'submit', 'test', '--file', lib, bad, '--', 'python3', bad)
    expect(failed.code).toBe(1)
    expect(failed.stdout).toMatch(/AssertionError.*tests failed \(exit 1/s)
  })
})

describe('what was done is shown', () => {
  it('by list, show, result and explain, each with --json of the documented form', async () => {
    const list = TaskPageJson.parse((await edgecoder('task', 'list', '--json', '--limit', '3')).json())
    expect(list.tasks).toHaveLength(3)
    expect(list.next).toBeTypeOf('string')
    const done = await edgecoder('task', 'list', '--json', '--state', 'done', '--limit', '200')
    expect(TaskPageJson.parse(done.json()).tasks.map((task) => task.id)).toContain('chat-1')
    const result = ResultJson.parse((await edgecoder('task', 'result', 'chat-1', '--json')).json())
    expect(result).toMatchObject({ kind: 'chat', text: GCD_TEXT })
    const explained = await edgecoder('task', 'explain', 'chat-1', '--json')
    expect(ExplanationJson.parse(explained.json()).summary).toMatch(/done/)
    const models = await edgecoder('model', 'list', '--json')
    expect(models.json()).toMatchObject({ from: 'gateway', models: [{ name: 'tiny-coder', workers: 2 }] })
    const workers = await edgecoder('coordinator', 'workers', '--json')
    expect(workers.json<{ workers: unknown[] }>().workers).toHaveLength(2)
  })

  it('and refused with an exit code that says which kind of no', async () => {
    const missing = await edgecoder('task', 'show', 'no-such-task', '--json')
    expect(missing.code).toBe(3)
    expect(missing.json()).toMatchObject({ error: { code: 'task-not-found' } })
    expect((await edgecoder('task', 'submit', 'chat')).code).toBe(2)
    expect((await edgecoder('task', 'cancel', 'chat-1')).code).toBe(4)
    expect((await edgecoder('task', 'show', 'chat-1', '--node', folder)).code).toBe(5)
    expect((await edgecoder('task', 'show', 'chat-1', '--account', 'somebody-else')).code).toBe(3)
    expect((await edgecoder('task', 'result', 'chat-1', '--write', folder)).code).toBe(2)
    expect((await edgecoder('token', 'create', 'x', '--node', 'coordinator')).code).toBe(3)
  })
})

describe('the OpenAI API of the gateway', () => {
  let client: OpenAI
  let keyId: string

  beforeAll(async () => {
    const made = await edgecoder('token', 'create', 'laptop', '--account', 'alice', '--json')
    const { key, secret } = CreatedKeyJson.parse(made.json())
    keyId = key.id
    client = new OpenAI({ apiKey: secret, baseURL: `${mesh.bridgeUrl}/v1`, maxRetries: 0 })
  })

  it('lists the model', async () => {
    const models = await client.models.list()
    expect(models.data.map((model) => model.id)).toContain('tiny-coder')
  })

  it('answers whole, with usage counted', async () => {
    const messages = [{ role: 'user' as const, content: GCD }]
    const answer = await client.chat.completions.create({ model: 'tiny-coder', messages })
    expect(answer.choices).toMatchObject([
      { finish_reason: 'stop', message: { role: 'assistant', content: GCD_TEXT } },
    ])
    const { usage } = answer
    expect(usage?.completion_tokens).toBeGreaterThan(10)
    expect(usage?.total_tokens).toBe((usage?.prompt_tokens ?? 0) + (usage?.completion_tokens ?? 0))
  })

  it('answers in a stream', async () => {
    const stream = await client.chat.completions.create({
      model: 'tiny-coder',
      messages: [{ role: 'user', content: GCD }],
      stream: true,
      stream_options: { include_usage: true },
    })
    const chunks = []
    for await (const chunk of stream) chunks.push(chunk)
    expect(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('')).toBe(GCD_TEXT)
    expect(chunks.filter((chunk) => chunk.choices[0]?.finish_reason === 'stop')).toHaveLength(1)
    expect(chunks.at(-1)?.usage?.completion_tokens).toBeGreaterThan(10)
  })

  it('refuses an unknown model in the way the client knows', async () => {
    const asked = client.chat.completions.create({
      model: 'gpt-9',
      messages: [{ role: 'user', content: 'hi' }],
    })
    await expect(asked).rejects.toThrow(OpenAI.NotFoundError)
  })

  it('keeps the tasks of each account to that account, and takes no revoked key', async () => {
    const rest = (path: string) =>
      fetch(`${mesh.bridgeUrl}/api/v1${path}`, { headers: { authorization: `Bearer ${client.apiKey}` } })
    const tasks = TaskPageJson.parse(await (await rest('/tasks')).json()).tasks
    expect(new Set(tasks.map((task) => task.account))).toEqual(new Set(['alice']))
    expect((await rest('/tasks/chat-1')).status).toBe(404)
    expect(CapacityJson.parse(await (await rest('/capacity')).json()).workers).toBe(2)
    expect((await edgecoder('token', 'revoke', keyId)).code).toBe(0)
    expect((await rest('/tasks')).status).toBe(401)
    await expect(client.models.list()).rejects.toThrow(OpenAI.AuthenticationError)
  })
})
