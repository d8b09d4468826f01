import { expect, test } from 'vitest'
import { EdgeCoderError } from '../../../../src/core/errors.js'
import { refusal } from '../../../../src/core/refusal.js'
import { open, statements } from '../../../../src/wire/envelope.js'
import { isMalformed } from '../../../../src/wire/frame.js'
import { Fault } from '../../../../src/wire/generated/edgecoder/control/v1/worker_pb.js'
import { ScriptedEngine, ScriptedSandbox } from '../../../helpers/scripted-machinery.js'
import { NETWORK } from './fake-coordinator.js'
import { chat } from './fake-gateway.js'
import { attachedWorld, MODEL } from './worker-world.js'

const encoder = new TextEncoder()
const limits = { wallMs: 5000, cpuMs: 5000, memoryMib: 128, processes: 8, outputBytes: 65536 }

function suite(text = "import { isPrime } from './is-prime.mjs'\n") {
  return {
    files: [{ path: 'is-prime.test.mjs', content: encoder.encode(text) }],
    command: ['node', 'is-prime.test.mjs'],
    language: 'javascript',
    limits,
  }
}

test('chat: tokens go to the gateway as they come, the receipt to the coordinator', async () => {
  const world = await attachedWorld({
    engine: (clock) => new ScriptedEngine(clock, () => ({ tokens: ['Zeb', 'ra', '!'], tokenMs: 5 })),
  })
  const { home, gateway } = world
  home.lease(gateway.task('a:1', chat), 3n)
  await world.until('done', () => home.of('done').length === 1)

  expect(gateway.text()).toBe('Zebra!')
  // The first token at once, the next two together.
  expect(gateway.outputs.map(({ seq, text, tokens }) => ({ seq, text, tokens }))).toEqual([
    { seq: 1, text: 'Zeb', tokens: 1 },
    { seq: 2, text: 'ra!', tokens: 2 },
  ])
  const result = gateway.results.get('a:1')
  expect(result?.body).toMatchObject({ case: 'chat', value: { text: 'Zebra!', finishReason: 'stop' } })
  expect(result?.usage).toMatchObject({ promptTokens: 7, completionTokens: 3, engineMs: 15, model: 'tiny' })
  const [done] = home.of('done')
  expect(done).toMatchObject({ lease: { taskId: 'a:1', fence: 3n }, free: 1 })
  if (done?.receipt === undefined) throw new Error('no receipt')
  const receipt = await open(done.receipt, NETWORK, statements.receipt)
  if (isMalformed(receipt)) throw new Error(receipt.detail)
  expect(receipt).toMatchObject({
    signer: world.workerId,
    value: {
      taskId: 'a:1',
      fence: 3n,
      coordinator: home.peerId,
      worker: world.workerId,
      gateway: gateway.signer.peerId,
    },
  })
  expect(world.worker.status()).toMatchObject({
    slots: { busy: 0 },
    finished: { done: 1, failed: 0 },
    running: [],
  })
  // The coordinator learned nothing of the prompt or the answer.
  const told = JSON.stringify(home.heard, (_, value) =>
    typeof value === 'bigint'
      ? String(value)
      : value instanceof Uint8Array
        ? Buffer.from(value).toString()
        : value,
  )
  expect(told).not.toContain('Zeb')
})

test('test: the report of the sandbox is the result', async () => {
  const sandbox = { jobs: [] as unknown[] }
  const world = await attachedWorld({
    sandbox: (clock) =>
      new ScriptedSandbox(clock, (job) => {
        sandbox.jobs.push(job)
        return { verdict: 'failed', exitCode: 3, stdout: 'out', stderr: 'err' }
      }),
  })
  world.home.lease(world.gateway.task('a:t', { case: 'test', value: { suite: suite() } }))
  await world.until('done', () => world.home.of('done').length === 1)
  expect(world.gateway.results.get('a:t')?.body).toMatchObject({
    case: 'test',
    value: { verdict: 'failed', exitCode: 3, stdout: 'out', stderr: 'err', sandbox: 'deno' },
  })
  expect(sandbox.jobs).toMatchObject([
    { command: ['node', 'is-prime.test.mjs'], language: 'javascript', limits },
  ])
  expect(world.gateway.text('test')).toMatch(/^failed, exit code 3/)
})

test('solve: plan, code, test, mend; the result is what passed', async () => {
  const wrong = 'function isPrime(n) { return true; }'
  const right = 'function isPrime(n) { return n > 1; }'
  const written: string[] = []
  const engines: ScriptedEngine[] = []
  const world = await attachedWorld({
    engine: (clock) => {
      const engine = new ScriptedEngine(clock, (_, count) => ({
        tokens: [count === 1 ? wrong : right],
        tokenMs: 1,
      }))
      engines.push(engine)
      return engine
    },
    sandbox: (clock) =>
      new ScriptedSandbox(clock, (job, count) => {
        const file = job.files.find((each) => each.path === 'is-prime.mjs')
        written.push(new TextDecoder().decode(file?.content))
        return count === 1 ? { verdict: 'failed', exitCode: 1 } : {}
      }),
  })
  const instructions = 'Write a JavaScript function isPrime that tests whether n is a prime number.'
  const value = { instructions, suite: suite(), maxIterations: 4, maxOutputTokens: 1000 }
  world.home.lease(world.gateway.task('a:s', { case: 'solve', value }))
  await world.until('done', () => world.home.of('done').length === 1)

  expect(engines[0]?.asked.map((each) => each.messages)).toEqual([
    [{ role: 'user', content: instructions }],
    [{ role: 'user', content: instructions }],
  ])
  expect(written).toEqual([`${wrong}\n\nexport { isPrime }\n`, `${right}\n\nexport { isPrime }\n`])
  const result = world.gateway.results.get('a:s')
  expect(result?.body).toMatchObject({
    case: 'solve',
    value: { solved: true, iterations: 2, report: { verdict: 'passed' }, files: [{ path: 'is-prime.mjs' }] },
  })
  expect(result?.body.case === 'solve' && result.body.value.patch).toContain(`+${right}`)
  expect(result?.usage).toMatchObject({
    iterations: 2,
    sandboxMs: 100,
    promptTokens: 14,
    completionTokens: 2,
  })
  expect(world.gateway.outputs.map(({ stage, iteration }) => `${stage} ${iteration}`)).toEqual([
    'plan 0',
    'code 1',
    'test 1',
    'mend 2',
    'test 2',
  ])
})

test.each([
  ['the engine fails', new EdgeCoderError('engine-failed', 'it broke'), Fault.WORKER, 'engine-failed'],
  [
    'the prompt is too long',
    new EdgeCoderError('context-too-long', 'too long'),
    Fault.TASK,
    'context-too-long',
  ],
  ['a bug in an engine', new Error('secret prompt'), Fault.WORKER, 'internal'],
])('%s: the attempt fails, the right one is blamed', async (_, fault, blamed, code) => {
  const world = await attachedWorld({
    engine: (clock) =>
      new ScriptedEngine(clock, () => ({ tokens: ['half'], fault: fault as EdgeCoderError })),
  })
  world.home.lease(world.gateway.task('a:1', chat))
  await world.until('failed', () => world.home.of('failed').length === 1)
  expect(world.home.of('failed')[0]).toMatchObject({ fault: blamed, why: { code }, free: 1 })
  await world.until('abandoned', () => world.gateway.of('abandon').length === 1)
  expect(world.home.of('failed')[0]?.why?.detail).not.toContain('secret')
})

test.each([
  ['chat without an engine', chat, 'no-engine', Fault.WORKER],
  [
    'test without a sandbox',
    { case: 'test', value: { suite: suite() } } as const,
    'no-sandbox',
    Fault.WORKER,
  ],
])('%s is given back', async (_, body, code, fault) => {
  const world = await attachedWorld()
  world.home.lease(world.gateway.task('a:1', body))
  await world.until('failed', () => world.home.of('failed').length === 1)
  expect(world.home.of('failed')[0]).toMatchObject({ why: { code }, fault })
})

test('what the sandbox refuses is the fault of the task', async () => {
  const world = await attachedWorld({
    sandbox: (clock) => new ScriptedSandbox(clock, () => refusal('bad-file-name', '../x leaves the folder')),
  })
  world.home.lease(world.gateway.task('a:1', { case: 'test', value: { suite: suite() } }))
  await world.until('failed', () => world.home.of('failed').length === 1)
  expect(world.home.of('failed')[0]).toMatchObject({ why: { code: 'bad-file-name' }, fault: Fault.TASK })
})

test('a payload of another kind than its header says is the fault of the task', async () => {
  const world = await attachedWorld({ sandbox: (clock) => new ScriptedSandbox(clock) })
  const header = world.gateway.task('a:1', chat)
  world.home.lease({ ...header, kind: 3 })
  await world.until('failed', () => world.home.of('failed').length === 1)
  expect(world.home.of('failed')[0]).toMatchObject({ why: { code: 'bad-request' }, fault: Fault.TASK })
})

test('without a named model the fastest warm one that has room is taken', async () => {
  const engines: ScriptedEngine[] = []
  const world = await attachedWorld({
    models: [
      { ...MODEL, name: 'cold', warm: false, tokensPerS: 900 },
      { ...MODEL, name: 'slow', tokensPerS: 10 },
      { ...MODEL, name: 'fast', tokensPerS: 50 },
      { ...MODEL, name: 'small', contextTokens: 10, tokensPerS: 500 },
    ],
    engine: (clock) => {
      const engine = new ScriptedEngine(clock, () => ({ tokens: ['x'] }))
      engines.push(engine)
      return engine
    },
  })
  world.home.lease(world.gateway.task('a:1', chat, { contextTokens: 100 }))
  await world.until('done', () => world.home.of('done').length === 1)
  expect(engines[0]?.asked[0]?.model).toBe('fast')
})
