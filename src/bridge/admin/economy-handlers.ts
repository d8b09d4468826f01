import { isRefusal, type Refusal } from '../../core/refusal.js'
import type { Audit } from '../../ports/audit.js'
import type { Economy } from '../../roles/coordinator/economy.js'
import { mount, type Surface } from '../mount.js'
import { ADMIN_ROUTES as ROUTES } from './admin-routes.js'
import { audited } from './audited.js'

const WINDOWS = 12

/** Serves the economy of the coordinator here. @param economy asked anew each time */
export function mountEconomy(surface: Surface, audit: Audit, economy: () => Economy | Refusal): void {
  mount(surface, ROUTES.economyWindows, async ({ query }) => {
    const here = economy()
    return isRefusal(here) ? here : decimal(await here.windows(query.limit ?? WINDOWS))
  })
  mount(surface, ROUTES.economyPrices, () => {
    const here = economy()
    return isRefusal(here) ? here : decimal(here.prices())
  })
  mount(surface, ROUTES.economySupply, async () => {
    const here = economy()
    return isRefusal(here) ? here : decimal(await here.supply())
  })
  mount(surface, ROUTES.economyFees, () => {
    const here = economy()
    return isRefusal(here) ? here : decimal({ logs: here.fees.earned() })
  })
  mount(surface, ROUTES.economyFeeDraw, async ({ body: { amount, ...wanted } }) => {
    const here = economy()
    if (isRefusal(here)) return here
    const drawn = await here.fees.draw({
      ...wanted,
      amount: amount === undefined ? undefined : BigInt(amount),
    })
    return audited(audit, isRefusal(drawn) ? drawn : decimal(drawn), () => ({
      kind: 'fees-drawn',
      of: wanted.account ?? '',
      facts: { id: wanted.id, ...(amount === undefined ? {} : { microcredits: amount }) },
    }))
  })
}

/** JSON has no bigint: amounts are decimal text, wherever they stand. */
type Decimal<T> = T extends bigint
  ? string
  : T extends readonly (infer Each)[]
    ? readonly Decimal<Each>[]
    : T extends object
      ? { readonly [Name in keyof T]: Decimal<T[Name]> }
      : T

function decimal<T>(value: T): Decimal<T> {
  return JSON.parse(JSON.stringify(value, (_name, each) => (typeof each === 'bigint' ? String(each) : each)))
}
