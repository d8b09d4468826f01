import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { isRefusal } from '../../../../src/core/refusal.js'
import type { TaskRequest } from '../../../../src/roles/gateway/gateway.js'
import { checkPayload } from '../../../../src/roles/verification/check-payload.js'
import { type Bed, type FakeCoordinator, type FakeWorker, makeBed, USAGE } from './gateway-bed.js'

const ID = 'ann:one'
const SUITE = {
  files: [{ path: 'test.js', content: Buffer.from('process.exit(0)') }],
  command: ['node', 'test.js'],
  language: 'javascript' as const,
}
const TEST: TaskRequest = { kind: 'test', id: 'one', account: 'ann', suite: SUITE }

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

async function submit(request: TaskRequest): Promise<void> {
  const taken = await bed.settle(bed.gateway.submit(request))
  if (isRefusal(taken)) throw new Error(taken.detail)
  while ((await bed.view('one'))?.state !== 'queued') await bed.clock.advance(1)
}

/** A test that is done. */
async function delivered(): Promise<void> {
  await submit(TEST)
  c1.lease(ID, worker.peerId, 3n)
  worker.open(ID, 3n, 'c1')
  const chunks = () => worker.heard.flatMap((body) => (body.case === 'payload' ? [body.value] : []))
  await bed.until(() => chunks().some(({ last }) => last))
  const payload = Buffer.concat(chunks().map(({ bytes }) => bytes))
  const body = { case: 'test', value: { verdict: 'passed', sandbox: 'bubblewrap' } } as const
  const header = c1.headers.get(ID)
  const digest = checkPayload(payload, body)?.digest
  if (header === undefined || digest === undefined) throw new Error('there is no test')
  worker.deliver(header, 3n, 'c1', { body, usage: USAGE }, { verdict: 'passed', checkDigest: digest })
  await bed.until(() => worker.heardOf('accepted').length > 0)
}

const dispute = () => bed.settle(bed.gateway.disputes.open('ann', 'one', 'it fails here'))
const show = () => bed.settle(bed.gateway.disputes.show('ann', 'one'))

describe('a dispute', () => {
  it('is signed for the attempt that was taken, in its kind of sandbox, and told of as it stands', async () => {
    await delivered()
    expect(await show()).toMatchObject({ code: 'not-found' })
    const said = { state: 'waiting', reason: 'it fails here', votes: 1, detail: '', sinceMs: 5, untilMs: 10 }
    const told = { ...said, verifier: { peerId: 'someone', owner: 'bob' } }
    expect(await dispute()).toEqual(told)
    const signed = { taskId: ID, fence: 3n, sandbox: 'bubblewrap', reason: 'it fails here' }
    expect(c1.disputes).toMatchObject([signed])
    expect(await show()).toEqual(told)
  })

  it('of what is not done, has no tests, or is not here is refused before anybody is asked', async () => {
    expect(await dispute()).toMatchObject({ code: 'task-not-found' })
    await submit(TEST)
    expect(await dispute()).toMatchObject({ code: 'result-pending' })
    await bed.settle(bed.gateway.cancel('ann', 'one', 'user'))
    expect(await dispute()).toMatchObject({ code: 'task-ended' })
    expect(await bed.settle(bed.gateway.disputes.open('ann', '../x', ''))).toMatchObject({
      code: 'task-not-found',
    })
    expect(c1.disputes).toEqual([])
  })

  it('needs a coordinator that is there, and knows what that is', async () => {
    await delivered()
    c1.disputes = undefined
    c1.drop()
    await bed.until(() => c1.attaches === 2 && bed.gateway.status().coordinators.length === 1)
    expect(await dispute()).toMatchObject({ code: 'unknown-kind' })
    c1.refuseHello = { refused: true, code: 'rate-limited', detail: 'full' }
    c1.drop()
    await bed.until(() => bed.gateway.status().coordinators.length === 0)
    expect(await dispute()).toMatchObject({ code: 'no-coordinator', retryAfterMs: 2_000 })
  })
})
