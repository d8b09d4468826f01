import { describe, expect, it } from 'vitest'
import { PROBE_DELAY_MS, PROBE_MS } from '../../../../src/roles/coordinator/constants.js'
import { CheckWorld } from './check-world.js'

const [ANN, BOB, CAY] = [0, 1, 2]
const OWNERS = ['ann', 'bob', 'cay']

/** Ann and Bob have agreed on a result; Cay has never been here. */
async function answered(): Promise<CheckWorld> {
  const checks = await CheckWorld.of(OWNERS, true, [CAY])
  await checks.run('known')
  expect(checks.quality.checks).toMatchObject({ open: 0, answers: { known: 1, firm: 0 }, probes: 0 })
  return checks
}

/** The same, so often run that who says else is wrong at once. */
async function firm(): Promise<CheckWorld> {
  const checks = await answered()
  await checks.pass(5 * 60_000)
  expect(checks.quality.checks?.answers).toEqual({ known: 1, firm: 1 })
  return checks
}

function leases(checks: CheckWorld, at: number) {
  const worker = checks.workers[at]
  return (worker && checks.leases.get(worker)) ?? []
}

describe('a worker that is new', () => {
  it('is tried on tests whose outcome is known, before anything else, and cannot tell', async () => {
    const checks = await answered()
    const before = await checks.balance('cay')
    await checks.come(CAY)
    await checks.until(() => checks.quality.checks?.probes === 1)
    const [first] = leases(checks, CAY)
    expect(checks.checks.has(first?.header?.id ?? '')).toBe(true)
    expect(first?.header).toMatchObject({ account: 'alice', checkOf: '', hiddenOf: '' })
    expect(checks.standing(CAY)).toMatchObject({ agreed: 1, wrong: 0 })
    // A second of sandbox, as for any check.
    expect((await checks.balance('cay')) - before).toBe(10_000n)
    // Who had vouched for it is none the more known for it.
    for (const at of [ANN, BOB]) expect(checks.standing(at)).toMatchObject({ agreed: 1 })
    expect(checks.quality.checks).toMatchObject({ open: 0, answers: { known: 1 } })
  })

  it('is not given what its owner has run before, nor tried twice', async () => {
    const checks = await CheckWorld.of([...OWNERS, 'bob'], true, [CAY, 3])
    await checks.run('known')
    await checks.come(3)
    await checks.pass(5_000)
    expect(leases(checks, 3)).toEqual([])
    await checks.come(CAY)
    await checks.until(() => checks.quality.checks?.probes === 1)
    await checks.leave(CAY)
    await checks.come(CAY)
    await checks.pass(5_000)
    expect(leases(checks, CAY)).toHaveLength(1)
  })

  it('that says else is wrong when enough others have said the same, and not before', async () => {
    const checks = await answered()
    checks.says(CAY, () => 'failed')
    await checks.come(CAY)
    await checks.until(() => checks.quality.checks?.judged.wrong === 1)
    expect(checks.quality.checks).toMatchObject({ probes: 1, answers: { known: 0 } })
    // Two knew it, and four more were asked.
    expect(checks.checks.size).toBe(1 + 1 + 4)
    expect(checks.standing(CAY)).toMatchObject({ agreed: 0, wrong: 1 })
    for (const at of [ANN, BOB]) expect(checks.standing(at)?.wrong).toBe(0)
  })
})

describe('a worker that nobody else can check', () => {
  it('is wrong at once about what is firm', async () => {
    const checks = await firm()
    for (const at of [ANN, BOB]) await checks.leave(at)
    checks.says(CAY, () => 'failed')
    const ordered = checks.checks.size
    await checks.come(CAY)
    await checks.until(() => checks.quality.checks?.judged.wrong === 1)
    expect(checks.checks.size).toBe(ordered + 1)
    expect(checks.standing(CAY)).toMatchObject({ wrong: 1 })
  })

  it('is tried some time after a result of its own', async () => {
    const checks = await CheckWorld.of(OWNERS, true, [CAY])
    for (const name of ['one', 'two']) await checks.run(name)
    await checks.come(CAY)
    await checks.until(() => checks.quality.checks?.probes === 1)
    for (const at of [ANN, BOB]) await checks.leave(at)
    const before = checks.checks.size
    await checks.submit('alone')
    await checks.until(() => checks.tasksOf(CAY).includes('alice:alone'))
    const reasons = (checks.quality.checks?.unchecked ?? []).map(({ reason }) => reason)
    expect(reasons).toContain('no-independent-worker')
    expect(checks.checks.size).toBe(before)
    await checks.pass(PROBE_DELAY_MS + 5_000)
    expect(checks.quality.checks).toMatchObject({ open: 0, probes: 2 })
    expect(checks.standing(CAY)).toMatchObject({ agreed: 2, wrong: 0 })
  })

  it('is in doubt over a crash until others are back to say who is right', async () => {
    const checks = await answered()
    for (const at of [ANN, BOB]) await checks.leave(at)
    checks.says(CAY, () => 'failed')
    await checks.come(CAY)
    await checks.until(() => leases(checks, CAY).length === 1)
    await checks.pass(60 * 60_000)
    expect(checks.quality.checks).toMatchObject({ open: 1, judged: { wrong: 0 } })
    checks.world.crash()
    await checks.start()
    await checks.come(ANN)
    await checks.come(BOB)
    await checks.until(() => checks.standing(CAY)?.wrong === 1)
  }, 60_000)
})

describe('a known answer', () => {
  it('is one still after a crash, as is the probe that is under way', async () => {
    const checks = await answered()
    checks.world.crash()
    await checks.start()
    expect(checks.quality.checks?.answers).toEqual({ known: 1, firm: 0 })
    await checks.come(CAY)
    await checks.world.clock.advance(100)
    checks.world.crash()
    await checks.start()
    await checks.until(() => checks.standing(CAY)?.agreed === 1)
    expect(leases(checks, CAY).filter(({ header }) => checks.checks.has(header?.id ?? ''))).toHaveLength(1)
  })

  it('is kept when the worker does not come to it, and given to nobody else meanwhile', async () => {
    const checks = await answered()
    await checks.come(CAY)
    await checks.leave(CAY)
    await checks.pass(PROBE_MS + 5_000)
    expect(checks.quality.checks).toMatchObject({ open: 0, answers: { known: 1 }, probes: 0 })
  })

  it('is forgotten when its gateway has not got it any more', async () => {
    const checks = await answered()
    checks.gateway.heard.length = 0
    await checks.come(CAY)
    const { checkId } = (await checks.gateway.hears('check')).value
    checks.gateway.say({ case: 'checkRefused', value: { checkId, why: { code: 'task-not-found' } } })
    await checks.world.until(() => checks.quality.checks?.open === 0)
    expect(checks.quality.checks).toMatchObject({ answers: { known: 0 } })
  })
})
