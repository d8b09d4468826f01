import { z } from 'zod'
import { logName } from './ledger.js'
import { accountName, taskId } from './parameters.js'
import { paidAmount } from './wallet.js'

const microcredits = z.string().meta({ description: 'Microcredits, a whole number.' })
const work = z.string().meta({ description: 'Work units: microcredits at list prices, multiplier one.' })
const millionths = z.string().meta({ description: 'A ratio in millionths.' })
const basisPoints = z.string().meta({ description: 'Basis points.' })
const rates = z.object({
  inputPer1000Tokens: microcredits,
  outputPer1000Tokens: microcredits,
  perSandboxSecond: microcredits,
})

const seen = z.object({
  window: z.number(),
  startMs: z.number(),
  multiplier: millionths,
  work,
  tasks: z.number(),
  holds: z.number().meta({ description: 'Tasks that credits were held for at its end.' }),
  demand: work,
  capacity: work,
  nextMultiplier: millionths,
})

const issued = z.object({
  window: z.number(),
  demand: work,
  capacity: work,
  load: millionths,
  pool: microcredits,
  work,
  contributors: microcredits,
  coordinators: microcredits,
  reserve: microcredits,
  accounts: z.number(),
})

export const EconomyWindowsJson = z.object({
  pricing: z.object({
    open: seen.meta({ description: 'As if it closed now.' }),
    closed: z.array(seen.extend({ index: z.number(), equal: z.boolean() })).readonly(),
  }),
  issuance: z.object({
    closer: z.string().meta({ description: 'The home whose log closes these windows.' }),
    open: issued
      .extend({ sinceMs: z.number(), dueMs: z.number(), recalculatedMs: z.number().optional() })
      .optional(),
    closed: z
      .array(
        issued.extend({
          index: z.number(),
          timeMs: z.number(),
          inputs: z
            .array(z.object({ home: z.string(), epoch: z.number(), window: z.number(), digest: z.string() }))
            .readonly(),
          equal: z.boolean(),
          missing: z.string().optional(),
        }),
      )
      .readonly(),
  }),
})

export const EconomyPricesJson = z.object({
  policySequence: z.number(),
  list: rates,
  window: z.number(),
  startMs: z.number(),
  multiplier: millionths,
  leastMultiplier: millionths,
  mostMultiplier: millionths,
  feeBasisPoints: basisPoints,
  treasuryBasisPoints: basisPoints,
  classes: z.array(z.object({ name: z.string(), factor: millionths, rates })).readonly(),
})

export const EconomySupplyJson = z.object({
  issued: microcredits,
  burnt: microcredits,
  treasury: microcredits,
  reserve: microcredits,
  fees: microcredits,
  held: microcredits,
  accounts: microcredits,
  inTransit: microcredits,
  sum: microcredits.meta({ description: 'Of all balances: 0, or the log is wrong.' }),
})

export const EconomyFeesJson = z.object({
  logs: z
    .array(
      z.object({
        log: z.string(),
        serves: z.boolean().meta({ description: 'It can be drawn from.' }),
        earned: microcredits.meta({ description: 'Microcredits that were earned and not drawn.' }),
        account: z.string().optional().meta({ description: 'That this coordinator is enrolled for.' }),
      }),
    )
    .readonly(),
})

export const FeeDrawRequestJson = z.strictObject({
  id: taskId.meta({ description: 'Asked again under the same id it is drawn once.' }),
  amount: paidAmount.optional().meta({ description: 'Microcredits; all that is there when left out.' }),
  account: accountName.optional(),
  log: logName.optional(),
})

export const FeeDrawJson = z.object({
  log: z.string(),
  index: z.number(),
  account: z.string(),
  amount: microcredits,
  existed: z.boolean().meta({ description: 'It had been drawn before.' }),
})
