import { describe, expect, it } from 'vitest'
import { isRefusal } from '../../../../src/core/refusal.js'
import { PROVEN_AGREED } from '../../../../src/core/verification/worker-record.js'
import { CheckWorld } from './check-world.js'
import { digest } from './world.js'

/** One for each worker, so that all of them get something. */
const NAMES = ['x', 'y', 'z']
const OWNERS = ['ann', 'bob', 'cay']

describe('a result with tests', () => {
  it('is run again by a worker of another owner, who cannot tell, and is paid by the coordinator', async () => {
    const checks = await CheckWorld.of(OWNERS)
    const before = new Map(
      await Promise.all(OWNERS.map(async (each) => [each, await checks.balance(each)] as const)),
    )
    const { fees } = checks
    const first = await checks.run('one')
    expect(checks.checks.size).toBe(1)
    const [checkId = ''] = checks.checks
    const verifier = checks.workers.find((each) =>
      checks.leases.get(each)?.some(({ header }) => header?.id === checkId),
    )
    expect(verifier).toBeDefined()
    expect(verifier).not.toBe(first)
    for (const lease of checks.leases.get(verifier ?? first) ?? []) expect(lease.header?.checkOf).toBe('')
    expect(checks.quality.checks).toMatchObject({ open: 0, judged: { agreed: 1, wrong: 0 } })
    const [a, b] = [first, verifier].map((each) => checks.workers.indexOf(each ?? first))
    for (const at of [a, b]) expect(checks.standing(at ?? 0)).toMatchObject({ agreed: 1, wrong: 0 })
    const owner = OWNERS[b ?? 0] ?? ''
    // A second of sandbox at ten millicredits; of the task's own second nine tenths went to the coordinator.
    expect((await checks.balance(owner)) - (before.get(owner) ?? 0n)).toBe(10_000n)
    expect(checks.fees - fees).toBe(9_000n - 10_000n)
  })

  it('of a worker that nobody else can check is done all the same, and the reason is counted', async () => {
    const checks = await CheckWorld.of(['ann', 'ann'])
    await checks.run('alone')
    const counts = { unchecked: [{ reason: 'no-independent-worker', count: 1 }] }
    expect(checks.quality.checks).toMatchObject({ open: 0, judged: { agreed: 0 }, ...counts })
  })

  it('is not checked for what the coordinator has not earned', async () => {
    const checks = await CheckWorld.of(OWNERS, false)
    await checks.run('poor')
    expect(checks.quality.checks).toMatchObject({ unchecked: [{ reason: 'unpayable', count: 1 }] })
  })

  it('that a bound of the sandbox ended is compared with nothing', async () => {
    const checks = await CheckWorld.of(OWNERS)
    for (const at of [0, 1, 2]) checks.says(at, () => 'wall-time')
    await checks.run('slow')
    expect(checks.quality.checks).toMatchObject({ unchecked: [{ reason: 'stopped', count: 1 }] })
  })
})

describe('a worker that lies', () => {
  /** Two honest owners, and one whose worker says that all fails. */
  async function withLiar(): Promise<CheckWorld> {
    const checks = await CheckWorld.of(OWNERS)
    checks.says(2, () => 'failed')
    return checks
  }

  /** Runs tasks until the liar was caught as often, at most 60. */
  async function caught(checks: CheckWorld, times: number): Promise<void> {
    for (let n = 0; (checks.standing(2)?.wrong ?? 0) < times; n++) {
      if (n === 60) throw new Error('the liar was never caught')
      await checks.runAll(NAMES.map((name) => `${name}-${n}`))
    }
  }

  async function suspended(checks: CheckWorld): Promise<void> {
    for (let n = 100; checks.world.coordinator.suspensions().length === 0; n++) {
      if (n === 160) throw new Error('the liar was never suspended')
      await checks.runAll(NAMES.map((name) => `${name}-${n}`))
    }
    expect(checks.world.coordinator.suspensions()).toMatchObject([{ worker: checks.peerId(2) }])
  }

  /** How many leases it ever got. */
  function leases(checks: CheckWorld): number {
    const liar = checks.workers[2]
    return (liar && checks.leases.get(liar)?.length) ?? 0
  }

  it('is contradicted by six runs of two owners, and suspended the second time', async () => {
    const checks = await withLiar()
    await caught(checks, 1)
    expect(checks.standing(2)).toMatchObject({ wrong: 1, sampledShare: 1 })
    expect(checks.world.coordinator.suspensions()).toEqual([])
    await suspended(checks)
    for (const at of [0, 1]) expect(checks.standing(at)).toMatchObject({ wrong: 0 })
    const before = leases(checks)
    for (const name of ['a', 'b', 'c', 'd']) await checks.run(name)
    expect(leases(checks)).toBe(before)
  }, 60_000)

  it('has each refuted result of its own in the ledger, proven by receipts, also after a crash', async () => {
    const checks = await withLiar()
    await caught(checks, 1)
    const lies = checks.tasksOf(2).filter((id) => id !== 'alice:dear').length
    expect(lies).toBeGreaterThan(0)
    const entered = async () => {
      const { complete, mismatches, kinds } = await checks.audit()
      expect({ complete, mismatches }).toEqual({ complete: true, mismatches: [] })
      return kinds.verdict
    }
    await checks.world.clock.advance(1_000)
    expect(await entered()).toBe(lies)
    checks.world.crash()
    await checks.start()
    await checks.world.clock.advance(1_000)
    expect(await entered()).toBe(lies)
  }, 60_000)

  it('is remembered over a crash of the coordinator, before it is suspended and after', async () => {
    const checks = await withLiar()
    await caught(checks, 1)
    checks.world.crash()
    await checks.start()
    expect(checks.standing(2)).toMatchObject({ wrong: 1 })
    await suspended(checks)
    checks.world.crash()
    await checks.start()
    const before = leases(checks)
    for (const name of ['a', 'b', 'c']) await checks.run(name)
    expect(leases(checks)).toBe(before)
  }, 60_000)
})

describe('tests that come out one way and the other', () => {
  it('are nobody’s fault', async () => {
    const checks = await CheckWorld.of([...OWNERS, 'dan'])
    let runs = 0
    for (const at of [0, 1, 2, 3]) checks.says(at, () => (runs++ % 4 < 2 ? 'passed' : 'failed'))
    runs = 1
    await checks.run('flaky')
    expect(checks.quality.checks).toMatchObject({ judged: { flaky: 1, wrong: 0 }, workers: [] })
  })
})

describe('a check', () => {
  it('goes on where it was when the coordinator is killed', async () => {
    const checks = await CheckWorld.of(OWNERS)
    await checks.submit('kept')
    await checks.until(() => checks.quality.checks?.open === 1)
    checks.world.crash()
    await checks.start()
    await checks.until(() => checks.quality.checks?.workers.length === 2)
    expect(checks.quality.checks).toMatchObject({ open: 0, judged: { agreed: 1 } })
  })

  it('is paid for what its tests may take, whatever its worker says', async () => {
    const checks = await CheckWorld.of(OWNERS)
    await checks.submit('greedy')
    const worker = await checks.leased()
    const maker = checks.workers.indexOf(worker)
    for (const at of [0, 1, 2]) if (at !== maker) checks.claims(at, 600_000)
    const before = await Promise.all(OWNERS.map((owner) => checks.balance(owner)))
    await checks.until(() => checks.quality.checks?.judged.agreed === 1)
    const after = await Promise.all(OWNERS.map((owner) => checks.balance(owner)))
    const gains = after.map((now, at) => now - (before[at] ?? 0n)).filter((_gain, at) => at !== maker)
    // Five seconds, of the ten minutes that it claims.
    expect(gains.toSorted()).toEqual([0n, 50_000n])
  })

  it('that nobody asked for is refused, and so is one that runs something else', async () => {
    const checks = await CheckWorld.of(OWNERS)
    checks.gateway.heard.length = 0
    checks.order('alice:none', 'alice:check')
    expect((await checks.gateway.hears('submitted')).value.results[0]?.refusal?.code).toBe('task-not-found')
    await checks.submit('other')
    const worker = await checks.leased()
    await worker.done(await worker.lease(), checks.gateway, 1, checks.outcomeOf('other', 'passed'))
    const { taskId, checkId } = (await checks.gateway.hears('check')).value
    checks.order(taskId, checkId, digest('something else'))
    expect((await checks.gateway.hears('submitted')).value.results[0]?.refusal?.code).toBe('task-not-found')
    checks.order(taskId, checkId)
    expect((await checks.gateway.hears('submitted')).value.results[0]?.refusal).toBeUndefined()
  })

  it('costs nothing when its gateway has not got the result any more', async () => {
    const checks = await CheckWorld.of(OWNERS)
    await checks.submit('gone')
    const worker = await checks.leased()
    await worker.done(await worker.lease(), checks.gateway, 1, checks.outcomeOf('gone', 'passed'))
    const { checkId } = (await checks.gateway.hears('check')).value
    const before = checks.fees
    checks.gateway.say({ case: 'checkRefused', value: { checkId, why: { code: 'task-not-found' } } })
    await checks.until(() => checks.quality.checks?.open === 0)
    expect(checks.quality.checks).toMatchObject({ unchecked: [{ reason: 'gateway-refused', count: 1 }] })
    expect(checks.fees).toBe(before)
  })
})

describe('hidden tests', () => {
  it('go to another owner than that of the worker whose answer they are tried on, and no worker can tell', async () => {
    const owners = ['ann', 'ann', 'bob', 'bob']
    const checks = await CheckWorld.of(owners)
    for (let n = 0; n < 4; n++) {
      const first = await checks.run(`answer-${n}`)
      await checks.submitAs(`hidden-${n}`, { hiddenOf: `alice:answer-${n}` })
      const other = await checks.run(`hidden-${n}`)
      const [maker, judge] = [first, other].map((each) => owners[checks.workers.indexOf(each)])
      expect(judge).not.toBe(maker)
      for (const { header } of checks.leases.get(other) ?? []) expect(header?.hiddenOf).toBe('')
    }
  })

  it('wait while only workers of that owner are there, and explain says why', async () => {
    const checks = await CheckWorld.of(['ann', 'ann'])
    await checks.run('answer')
    await checks.submitAs('hidden', { hiddenOf: 'alice:answer' })
    await checks.world.clock.advance(5_000)
    const explained = checks.world.coordinator.explain('alice', 'hidden')
    if (isRefusal(explained)) throw new Error(explained.detail)
    const codes = explained.candidates.map(({ reasons }) => reasons.map(({ code }) => code))
    expect(codes).toEqual([['not-independent'], ['not-independent']])
  })
})

it('a worker that has agreed long enough is seldom checked', async () => {
  const checks = await CheckWorld.of(OWNERS)
  for (let n = 0; n < 1.5 * PROVEN_AGREED; n++) await checks.runAll(NAMES.map((name) => `${name}-${n}`))
  const unchecked = checks.quality.checks?.unchecked.find(({ reason }) => reason === 'trusted')?.count ?? 0
  expect(unchecked).toBeGreaterThan(10)
  for (const at of [0, 1, 2]) expect(checks.standing(at)?.sampledShare).toBeLessThan(1)
}, 120_000)
