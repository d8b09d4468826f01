import {
  type Contribution,
  dailyPool,
  type IssuanceSplit,
  reliabilityOf,
  smoothedLoad,
  splitIssuance,
  windowLoad,
  windowPool,
} from './issuance.js'
import { counted } from './pricing-window.js'
import type { IssuanceTerms } from './terms.js'

/** What one home's log says of the work that is to be issued for. */
export interface HomeWork {
  readonly home: string
  /** Sums of its pricing windows, in work units. */
  readonly demand: bigint
  readonly capacity: bigint
  /** An account may stand in several, and in those of several homes. */
  readonly earnings: readonly {
    readonly account: string
    /** Where its credits are made; for each account the first one counts. */
    readonly home: string
    readonly work: bigint
    readonly failed: bigint
  }[]
}

export interface IssuanceFigures {
  readonly demand: bigint
  readonly capacity: bigint
  /** Smoothed, in millionths. */
  readonly load: bigint
  readonly pool: bigint
  /** All that held up, in work units. */
  readonly work: bigint
  /** By account, and by home of the coordinators' logs. */
  readonly split: IssuanceSplit
  /** Home of each contributor. */
  readonly homes: ReadonlyMap<string, string>
}

/**
 * What an issuance window comes to.
 *
 * @param before the smoothed load of the window before; undefined = this is the first
 * @param works each home at most once; in the order of homes, which decides where an account is paid that
 *   moved meanwhile
 */
export function issuanceFigures(
  before: bigint | undefined,
  works: readonly HomeWork[],
  terms: IssuanceTerms,
): IssuanceFigures {
  const { contributions, homes } = gathered(works)
  const total = (amounts: readonly bigint[]) => counted(amounts.reduce((all, each) => all + each, 0n))
  const demand = total(works.map((each) => each.demand))
  const capacity = total(works.map((each) => each.capacity))
  const work = total(contributions.map((each) => each.work))
  const load = smoothedLoad(before, windowLoad(demand, capacity, terms), terms)
  const pool = windowPool(dailyPool(load, terms), terms.windowMs, work, terms)
  const coordinators = works.map(({ home, earnings }) => ({
    id: home,
    weight: total(earnings.map((each) => each.work)),
  }))
  return {
    demand,
    capacity,
    load,
    pool,
    work,
    split: splitIssuance({ pool, contributions, coordinators }, terms),
    homes,
  }
}

/** One contribution an account, over all homes. */
function gathered(works: readonly HomeWork[]) {
  const sums = new Map<string, { work: bigint; failed: bigint }>()
  const homes = new Map<string, string>()
  for (const { account, home, work, failed } of works.flatMap(({ earnings }) => earnings)) {
    const sum = sums.get(account) ?? { work: 0n, failed: 0n }
    sums.set(account, { work: sum.work + work, failed: sum.failed + failed })
    if (!homes.has(account)) homes.set(account, home)
  }
  const contributions: Contribution[] = []
  for (const [account, { work, failed }] of sums) {
    const verified = work > failed ? work - failed : 0n
    contributions.push({ account, work: verified, reliability: reliabilityOf(verified, failed) })
  }
  return { contributions, homes }
}
