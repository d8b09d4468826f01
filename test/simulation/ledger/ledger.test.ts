import { describe, expect, it } from 'vitest'
import type { Store } from '../../../src/ports/store.js'
import { type LedgerPlan, ledgerPlanOf } from './plan.js'
import { RawLog } from './raw-log.js'
import { type LedgerOptions, simulateLedger } from './simulate-ledger.js'
import { credulous } from './snapshots.js'

const SEEDS = 30
/** A plan may leave out what a sabotage needs; of so many, one has it. */
const SABOTAGED_SEEDS = 20

describe('coordinators that copy and cosign each other keep their promises under faults and lies', () => {
  it.each(Array.from({ length: SEEDS }, (_, index) => index + 1))('seed %i', async (seed) => {
    const { violations } = await simulateLedger(seed)
    expect(violations, `npx tsx scripts/simulate-ledger.ts --seed ${seed}`).toEqual([])
  })

  it('plays the same seed the same each time', async () => {
    const [first, again] = [await simulateLedger(2), await simulateLedger(2)]
    expect(again.traceHash).toBe(first.traceHash)
  })
})

/** Five, of which one shows a history of its own to each half, and the halves do not hear of each other. */
const torn: LedgerPlan = {
  ...ledgerPlanOf(1),
  coordinators: ['c1', 'c2', 'c3', 'c4', 'c5'],
  liar: { name: 'c5', wrong: { lie: 'fork', atMs: 1_000, group: ['c1', 'c2'] } },
  unrest: 0,
  handovers: [],
  snapshots: undefined,
  faults: ['c1', 'c2'].flatMap((a) =>
    ['c3', 'c4'].map((b) => {
      return { type: 'cut', pair: [a, b], mode: 'closed', atMs: 0, forMs: 14_000 } as const
    }),
  ),
}

/** A home that lives while it is handed over; all learn of it, one after the other. */
const replaced: LedgerPlan = {
  ...ledgerPlanOf(1),
  coordinators: ['c1', 'c2', 'c3', 'c4'],
  liar: undefined,
  unrest: 0,
  faults: [],
  snapshots: undefined,
  hasty: false,
  handovers: [
    { home: 'c1', epoch: 2, coordinator: 'c2', learntMs: { c1: 4_500, c2: 3_000, c3: 5_000, c4: 4_000 } },
  ],
}

/** The successor is alone while the others make more of the old home's log final. */
const hasty: LedgerPlan = {
  ...replaced,
  faults: [{ type: 'apart', group: ['c2'], atMs: 2_000, forMs: 10_000 }],
  handovers: [
    { home: 'c1', epoch: 2, coordinator: 'c2', learntMs: { c1: 9_000, c2: 3_000, c3: 8_000, c4: 8_000 } },
  ],
}

const LOST = 'what is final survives a hand-over'
const nobody: LedgerOptions['sealRosters'] = () => []
const blind: LedgerOptions['cutFault'] = async () => undefined

async function rulesBroken(plan: LedgerPlan, options: LedgerOptions): Promise<readonly string[]> {
  const { violations } = await simulateLedger(1, { ...options, plan })
  return violations.map(({ rule }) => rule)
}

describe('the checks find', () => {
  it('a coordinator that cosigns without writing down what', async () => {
    const found = await firstSeed('a cosignature is on the disk', { sabotage: { store: forgetful } })
    expect(found).toBeDefined()
  })

  it('a majority in the place of a quorum, and nothing with the quorum', async () => {
    const majority = (coordinators: number): number => Math.floor(coordinators / 2) + 1
    const few = await simulateLedger(1, { plan: torn, quorum: majority })
    expect(few.violations.map(({ rule }) => rule)).toContain('final checkpoints agree')
    const enough = await simulateLedger(1, { plan: torn })
    expect(enough.violations).toEqual([])
  })

  it('coordinators that cosign a log on whose home was handed over', async () => {
    const deaf = await rulesBroken(replaced, { deaf: true })
    expect(deaf).toContain('nothing of a sealed log is cosigned')
    expect(deaf).toContain(LOST)
    const obedient = await simulateLedger(1, { plan: replaced })
    expect([obedient.violations, obedient.epochs]).toEqual([[], 1])
  })

  it('a successor to whom its own seal is enough, and others who do not look at its cut', async () => {
    expect(await rulesBroken(hasty, { sealRosters: nobody, cutFault: blind })).toContain(LOST)
    const patient = await simulateLedger(1, { plan: hasty })
    expect([patient.violations, patient.epochs]).toEqual([[], 1])
  })

  it('a successor to whom its own seal is enough: what it began becomes final nowhere', async () => {
    const { violations, epochs } = await simulateLedger(1, { plan: hasty, sealRosters: nobody })
    expect(violations.map(({ rule }) => rule)).toEqual(['all comes to rest'])
    expect(epochs).toBe(0)
  })

  it('no seals at all', async () => {
    const none = { deaf: true, sealRosters: nobody, cutFault: blind }
    expect(await rulesBroken(hasty, none)).toContain(LOST)
  })

  it('a coordinator that compares what it was given with itself', async () => {
    let falseOnes = 0
    const rules: string[] = []
    for (const teller of ['c1', 'c2', 'c3']) {
      const snapshots = { lag: 5, late: { name: 'c4', atMs: 8_000 }, teller }
      const plan: LedgerPlan = { ...replaced, handovers: [], snapshots }
      rules.push(...(await rulesBroken(plan, { sabotage: { store: credulous } })))
      const careful = await simulateLedger(1, { plan })
      expect(careful.violations).toEqual([])
      falseOnes += careful.snapshots.false
    }
    expect(rules).toContain('what is proven is true')
    expect(falseOnes).toBeGreaterThan(0)
  })

  it('mirrors that do not look at what they take', async () => {
    const openMirror: LedgerOptions['openMirror'] = async ({ store }, { key, prefix }) =>
      new RawLog(store, key, prefix).asMirror()
    const plan: LedgerPlan = {
      ...ledgerPlanOf(1),
      liar: { name: 'c1', wrong: { lie: 'mint', atMs: 1_000 } },
      faults: [],
      handovers: [],
      snapshots: undefined,
    }
    const { violations } = await simulateLedger(1, {
      plan,
      ...(openMirror === undefined ? {} : { openMirror }),
    })
    expect(violations.map(({ rule }) => rule)).toContain('all comes to rest')
  })
})

function forgetful(store: Store): Store {
  return new Proxy(store, {
    get(target, name) {
      if (name === 'commit') {
        return (writes: Parameters<Store['commit']>[0]) =>
          target.commit(writes.filter(({ key }) => !key.startsWith('ledger|r|w|')))
      }
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

async function firstSeed(rule: string, options: LedgerOptions): Promise<number | undefined> {
  for (let seed = 1; seed <= SABOTAGED_SEEDS; seed++) {
    const { violations } = await simulateLedger(seed, options)
    if (violations.some((violation) => violation.rule === rule)) return seed
  }
  return undefined
}
