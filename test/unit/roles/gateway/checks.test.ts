import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { isRefusal } from '../../../../src/core/refusal.js'
import type { SolveRequest, TaskRequest } from '../../../../src/roles/gateway/gateway.js'
import { checkPayload } from '../../../../src/roles/verification/check-payload.js'
import { frames, isMalformed } from '../../../../src/wire/frame.js'
import { Standing } from '../../../../src/wire/generated/edgecoder/control/v1/gateway_pb.js'
import type { TaskHeader } from '../../../../src/wire/generated/edgecoder/task/v1/task_pb.js'
import { type Bed, type FakeCoordinator, type FakeWorker, makeBed, sha256, USAGE } from './gateway-bed.js'

const ID = 'ann:one'
const CHECK = 'ann:01CHECK'
const REPORT = { verdict: 'passed', sandbox: 'bubblewrap' }

let bed: Bed
let c1: FakeCoordinator
let worker: FakeWorker

beforeEach(async () => {
  bed = await makeBed()
  c1 = bed.coordinator('c1')
  worker = bed.worker()
  await bed.settle(worker.dial())
})
afterEach(() => bed.clock.dispose())

const file = (path: string, text: string) => ({ path, content: Buffer.from(text) })
const SUITE = {
  files: [file('sum.js', 'export const sum = 0'), file('sum.test.js', 'real test')],
  command: ['node', 'sum.test.js'],
  language: 'javascript' as const,
}
const ANSWER = [file('sum.js', 'export const sum = 1'), file('sum.test.js', 'no test at all')]

function solve(more: Partial<SolveRequest> = {}): SolveRequest {
  return { kind: 'solve', id: 'one', account: 'ann', model: '', instructions: 'sum', suite: SUITE, ...more }
}

function header(id: string): TaskHeader {
  const found = c1.headers.get(id)
  if (found === undefined) throw new Error(`${id} was not ordered`)
  return found
}

/** What the worker is given for the task. */
async function payloadOf(id: string, fence = 1n): Promise<Uint8Array> {
  // The gateway has heard that it was taken.
  while ((await bed.view(id.slice('ann:'.length)))?.state !== 'queued') await bed.clock.advance(1)
  c1.lease(id, worker.peerId, fence)
  worker.heard.length = 0
  worker.open(id, fence, 'c1')
  const chunks = () => worker.heard.flatMap((body) => (body.case === 'payload' ? [body.value] : []))
  await bed.until(() => chunks().some(({ last }) => last))
  return Buffer.concat(chunks().map(({ bytes }) => bytes))
}

function suiteIn(payload: Uint8Array) {
  const decoded = frames.payload.decode(payload)
  if (isMalformed(decoded) || decoded.body.case !== 'test') throw new Error('it is no test')
  const { files = [], command = [] } = decoded.body.value.suite ?? {}
  return { command, files: files.map(({ path, content }) => [path, Buffer.from(content).toString()]) }
}

/** Submits, runs, and delivers what the worker says of it. */
async function deliver(request: TaskRequest, verdict = 'passed', change = {}): Promise<void> {
  const taken = await bed.settle(bed.gateway.submit(request))
  if (isRefusal(taken)) throw new Error(taken.detail)
  const payload = await payloadOf(ID)
  const report = { ...REPORT, verdict }
  const body =
    request.kind === 'test'
      ? ({ case: 'test', value: report } as const)
      : ({ case: 'solve', value: { solved: verdict === 'passed', files: ANSWER, report } } as const)
  const check = checkPayload(payload, body)
  const said = { verdict, checkDigest: check?.digest ?? new Uint8Array(), ...change }
  worker.deliver(header(ID), 1n, 'c1', { body, usage: USAGE }, said)
  await bed.until(() => worker.heardOf('accepted').length + worker.refusals().length > 0)
}

async function check(id = CHECK): Promise<void> {
  c1.send({ case: 'check', value: { taskId: ID, fence: 1n, checkId: id } })
  await bed.until(() => c1.headers.has(id) || c1.refusedChecks.length > 0)
}

describe('a check of a result', () => {
  it('of a test is the same test, by the name that the coordinator gave it', async () => {
    await deliver({ kind: 'test', id: 'one', account: 'ann', suite: SUITE })
    await check()
    expect(header(CHECK)).toMatchObject({ kind: header(ID).kind, account: 'ann', checkOf: ID })
    expect(header(CHECK).payloadDigest).toEqual(header(ID).payloadDigest)
    expect(suiteIn(await payloadOf(CHECK)).files).toHaveLength(2)
  })

  it('of a solve runs the tests as they were submitted on the answer, whatever the answer says of them', async () => {
    await deliver(solve())
    await check()
    expect(suiteIn(await payloadOf(CHECK))).toEqual({
      command: ['node', 'sum.test.js'],
      files: [
        ['sum.test.js', 'real test'],
        ['sum.js', 'export const sum = 1'],
      ],
    })
  })

  it('is ordered once however often it is asked for, also after a crash, and its user does not see it', async () => {
    await deliver(solve())
    await check()
    await check()
    expect(c1.orders.flat().filter((id) => id === CHECK)).toHaveLength(1)
    await bed.restart()
    await bed.until(() => c1.attaches === 2)
    c1.send({ case: 'check', value: { taskId: ID, fence: 1n, checkId: CHECK } })
    const { tasks } = await bed.settle(bed.gateway.tasks('ann', { limit: 10 }))
    expect(tasks.map(({ id }) => id)).toEqual(['one'])
    expect(c1.orders.flat().filter((id) => id === CHECK)).toHaveLength(1)
    expect(c1.refusedChecks).toEqual([])
  })

  it('of what is not here, of another attempt, or for another account is refused', async () => {
    await deliver(solve())
    c1.send({ case: 'check', value: { taskId: 'ann:none', fence: 1n, checkId: CHECK } })
    c1.send({ case: 'check', value: { taskId: ID, fence: 2n, checkId: 'ann:02CHECK' } })
    c1.send({ case: 'check', value: { taskId: ID, fence: 1n, checkId: 'bob:03CHECK' } })
    await bed.until(() => c1.refusedChecks.length === 3)
    expect(c1.refusedChecks.toSorted()).toEqual(['bad-request', 'task-not-found', 'task-not-found'])
  })

  it('that the coordinator no longer wants ends here, too', async () => {
    await deliver(solve())
    await check()
    c1.push({ taskId: CHECK, standing: Standing.CANCELLED })
    await bed.until(() => bed.gateway.status().unfinishedTasks === 0)
    c1.send({ case: 'check', value: { taskId: ID, fence: 1n, checkId: CHECK } })
    await bed.until(() => c1.refusedChecks.length > 0)
    expect(c1.refusedChecks).toEqual(['task-ended'])
  })
})

describe('a receipt', () => {
  it.each([
    ['another verdict than the result', { verdict: 'failed' }],
    ['no verdict', { verdict: '' }],
    ['other tests', { checkDigest: sha256(Buffer.from('else')) }],
    ['no tests', { checkDigest: new Uint8Array() }],
  ])('with %s is refused', async (_what, change) => {
    await deliver(solve(), 'passed', change)
    expect(worker.refusals()).toEqual(['result-mismatch'])
  })
})

describe('hidden tests', () => {
  const hidden = { files: [file('secret.test.js', 'secret')], command: ['node', 'secret.test.js'] }

  it('are in no payload of the worker that answers, and tried by a task of their own once it has', async () => {
    await deliver(solve({ hidden }))
    expect((await bed.view('one'))?.hidden).toEqual({ verdict: 'pending' })
    await bed.until(() => c1.headers.size === 2)
    const [, run] = [...c1.headers.keys()]
    if (run === undefined) throw new Error('nothing was ordered')
    expect(header(run)).toMatchObject({ hiddenOf: ID, account: 'ann', checkOf: '' })
    const payload = await payloadOf(run)
    expect(suiteIn(payload)).toEqual({
      command: ['node', 'secret.test.js'],
      files: [
        ['sum.test.js', 'real test'],
        ['sum.js', 'export const sum = 1'],
        ['secret.test.js', 'secret'],
      ],
    })
    const report = { ...REPORT, verdict: 'failed' }
    const said = { verdict: 'failed', checkDigest: sha256(payload) }
    worker.deliver(header(run), 1n, 'c1', { body: { case: 'test', value: report }, usage: USAGE }, said)
    await bed.until(() => worker.heardOf('accepted').length === 1)
    expect((await bed.view('one'))?.hidden).toEqual({ verdict: 'failed' })
    expect(await bed.settle(bed.gateway.result('ann', 'one'))).toMatchObject({ solved: true })
    const { tasks } = await bed.settle(bed.gateway.tasks('ann', { limit: 10 }))
    expect(tasks.map(({ id }) => id)).toEqual(['one'])
  })

  it('are not forgotten when the gateway is killed right after the answer', async () => {
    await deliver(solve({ hidden }))
    await bed.restart()
    await bed.until(() => c1.headers.size === 2)
    expect((await bed.view('one'))?.hidden).toEqual({ verdict: 'pending' })
  })

  it('are not tried on an answer that does not pass its own', async () => {
    await deliver(solve({ hidden }), 'failed')
    expect((await bed.view('one'))?.hidden).toBeUndefined()
    expect(c1.headers.size).toBe(1)
  })

  it('belong to the task: the same id with others is another task', async () => {
    await bed.settle(bed.gateway.submit(solve({ hidden })))
    expect(await bed.settle(bed.gateway.submit(solve({ hidden })))).toMatchObject({ existed: true })
    expect(await bed.settle(bed.gateway.submit(solve()))).toMatchObject({ code: 'task-conflict' })
    const unsafe = { ...hidden, files: [file('../secret', 'x')] }
    expect(await bed.settle(bed.gateway.submit(solve({ id: 'two', hidden: unsafe })))).toMatchObject({
      code: 'bad-file-name',
    })
  })
})
