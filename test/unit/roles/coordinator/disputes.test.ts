import { describe, expect, it } from 'vitest'
import { DOUBT_MS } from '../../../../src/roles/coordinator/constants.js'
import { DisputeState } from '../../../../src/wire/generated/edgecoder/control/v1/gateway_pb.js'
import { CheckWorld } from './check-world.js'
import { testSigner } from './world.js'

const [ANN, BOB, CAY] = [0, 1, 2]
const OWNERS = ['ann', 'bob', 'cay']
const TASK = 'alice:doubted'

/** Ann has done a task and was paid; nobody else was here who could have checked it. */
async function unchecked(says: 'passed' | 'failed' = 'passed'): Promise<CheckWorld> {
  const checks = await CheckWorld.of(OWNERS, true, [BOB, CAY])
  checks.says(ANN, () => says)
  await checks.run('doubted')
  expect(checks.quality.checks).toMatchObject({ open: 0, judged: { agreed: 0 } })
  return checks
}

async function comes(checks: CheckWorld, state: DisputeState): Promise<void> {
  await checks.until(() => checks.quality.checks?.open === 0)
  expect((await checks.gateway.disputed(TASK)).state).toBe(state)
}

describe('a disputed result', () => {
  it('waits for a worker of another owner, says for whom and until when, and stands when that agrees', async () => {
    const checks = await unchecked()
    const nowMs = BigInt(checks.world.clock.nowMs())
    const begun = await checks.gateway.dispute(TASK)
    expect(begun).toMatchObject({
      state: DisputeState.WAITING,
      votes: 1,
      verifier: '',
      reason: 'it fails here',
    })
    expect(begun.untilMs - begun.sinceMs).toBe(BigInt(DOUBT_MS))
    expect(begun.sinceMs).toBeGreaterThanOrEqual(nowMs)
    expect(begun.detail).toContain('it waits for a worker of another owner')
    const notes = await checks.notes('ann')
    expect(notes[0]).toBe(`in dispute until ${new Date(Number(begun.untilMs)).toISOString()}`)
    checks.order(TASK, (await checks.gateway.hears('check')).value.checkId)
    await checks.come(BOB)
    await checks.workers[BOB]?.hears('lease').then((value) => checks.workers[BOB]?.heard.push(value))
    expect(await checks.gateway.disputed(TASK)).toMatchObject({ verifier: checks.peerId(BOB), owner: 'bob' })
    await comes(checks, DisputeState.STANDS)
    expect(await checks.gateway.disputed(TASK)).toMatchObject({ votes: 2, verifier: '' })
    expect((await checks.notes('ann'))[0]).toBe('')
  })

  it('is one dispute however often it is said, also after a crash', async () => {
    const checks = await unchecked()
    const first = await checks.gateway.dispute(TASK)
    checks.world.crash()
    await checks.start()
    const again = await checks.gateway.dispute(TASK, { reason: 'another' })
    expect(again).toMatchObject({ state: DisputeState.WAITING, sinceMs: first.sinceMs, reason: first.reason })
    expect(checks.quality.checks?.open).toBe(1)
    await checks.come(BOB)
    await comes(checks, DisputeState.STANDS)
    checks.world.crash()
    await checks.start()
    expect(await checks.gateway.disputed(TASK)).toMatchObject({ state: DisputeState.STANDS, votes: 2 })
  })

  it('is undecided, and stands, when nobody comes for a day', async () => {
    const checks = await unchecked()
    await checks.gateway.dispute(TASK)
    await checks.pass(60 * 60_000)
    expect(await checks.gateway.disputed(TASK)).toMatchObject({ state: DisputeState.WAITING })
    // The rest of the day the coordinator is down: that is sooner told.
    checks.world.crash()
    await checks.world.clock.advance(DOUBT_MS)
    await checks.start()
    await checks.pass(5_000)
    expect(await checks.gateway.disputed(TASK)).toMatchObject({
      state: DisputeState.UNDECIDED,
      detail: expect.stringContaining('no-independent-worker'),
    })
    expect(checks.quality.checks?.open).toBe(0)
  }, 60_000)

  it('stands at once where others have agreed before', async () => {
    const checks = await CheckWorld.of(OWNERS)
    await checks.run('doubted')
    const ordered = checks.checks.size
    expect(await checks.gateway.dispute(TASK)).toMatchObject({ state: DisputeState.STANDS })
    await checks.pass(5_000)
    expect(checks.checks.size).toBe(ordered)
  })
})

describe('a result that is false', () => {
  it('is refuted by six runs of two owners, and what its worker got goes back, once, over crashes', async () => {
    const checks = await unchecked('failed')
    const [paid, spent] = [await checks.balance('ann'), await checks.balance('alice')]
    await checks.gateway.dispute(TASK)
    await checks.come(BOB)
    await checks.come(CAY)
    for (let crashes = 0; crashes < 4; crashes++) {
      await checks.pass(500)
      checks.world.crash()
      await checks.start()
    }
    await comes(checks, DisputeState.REFUTED)
    expect(checks.standing(ANN)).toMatchObject({ wrong: 1 })
    for (const at of [BOB, CAY]) expect(checks.standing(at)).toMatchObject({ wrong: 0 })
    await checks.pass(1_000)
    const { complete, mismatches, kinds } = await checks.audit()
    expect({ complete, mismatches }).toEqual({ complete: true, mismatches: [] })
    expect(kinds).toMatchObject({ verdict: 1, refund: 1 })
    // Of ten millicredits for a second of sandbox nine tenths are the coordinator's, and half of one the treasury's.
    expect(paid - (await checks.balance('ann'))).toBe(500n)
    expect((await checks.balance('alice')) - spent).toBe(500n)
    checks.world.crash()
    await checks.start()
    await checks.pass(1_000)
    expect((await checks.balance('alice')) - spent).toBe(500n)
    expect((await checks.history('alice'))[0]).toMatchObject({ kind: 'refund', about: TASK, amount: 500n })
  }, 60_000)

  it('is refuted at once when it is disputed after others have refuted it', async () => {
    const checks = await CheckWorld.of(OWNERS)
    checks.says(ANN, () => 'failed')
    const names = ['x', 'y', 'z'].map((name) => `${name}-1`)
    await checks.runAll(names)
    const [lie = ''] = checks.tasksOf(ANN).filter((id) => id !== 'alice:dear')
    const before = await checks.balance('alice')
    expect(await checks.gateway.dispute(lie)).toMatchObject({ state: DisputeState.REFUTED })
    await checks.pass(1_000)
    expect((await checks.balance('alice')) - before).toBe(500n)
  }, 60_000)

  it('whose worker has spent what it got stays paid, and the dispute says why', async () => {
    const checks = await unchecked('failed')
    await checks.gateway.dispute(TASK)
    await checks.spend('ann', 'bob')
    await checks.come(BOB)
    await checks.come(CAY)
    await comes(checks, DisputeState.REFUTED)
    await checks.pass(1_000)
    expect((await checks.gateway.disputed(TASK)).detail).toMatch(
      /nothing was given back: ann has 0 microcredits/,
    )
  }, 60_000)
})

describe('a dispute is refused', () => {
  it('of what was not paid here, or through another gateway, or for another lease', async () => {
    const checks = await unchecked()
    const codeOf = async (task: string, over = {}) => (await checks.gateway.dispute(task, over)).refusal?.code
    expect(await codeOf('alice:none')).toBe('hold-unknown')
    expect(await codeOf(TASK, { fence: 2n })).toBe('result-mismatch')
    expect(await codeOf(TASK, { taskId: 'alice:dear' })).toBe('bad-request')
    expect(await codeOf(TASK, { signer: testSigner() })).toBe('forbidden')
    expect(await codeOf(TASK, { issuedMs: 1 })).toBe('stale-envelope')
    expect((await checks.gateway.disputed(TASK)).refusal?.code).toBe('not-found')
    expect(checks.quality.checks?.open).toBe(0)
  })

  it('of a chat, as nobody can run it again', async () => {
    const checks = await unchecked()
    expect((await checks.gateway.dispute('alice:dear')).refusal).toMatchObject({
      code: 'bad-request',
      next: 'Only results of solve and test tasks can be disputed.',
    })
  })

  it('before the result is paid', async () => {
    const checks = await CheckWorld.of(OWNERS)
    await checks.submit('doubted')
    expect((await checks.gateway.dispute(TASK)).refusal?.code).toBe('result-pending')
  })
})
