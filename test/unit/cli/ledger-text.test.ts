import { expect, it } from 'vitest'
import { ledgerText } from '../../../cli/print/ledger-text.js'

const log = { own: false, size: 40, finalSize: 30, claimedSize: 100, isolated: false }
const status = {
  origin: 'own',
  entries: 1,
  pendingEntries: 0,
  root: '00',
  policySequence: 0,
  finalEntries: 1,
  unfinalAgeMs: 0,
  quorum: 2,
  written: [],
  logs: [],
  peers: [],
} as const

it('says of a log that is followed ahead of its entries how much of it is proven', () => {
  const tip = { size: 95, startSize: 90, from: 'giver' }
  const text = ledgerText({
    ...status,
    logs: [
      { ...log, origin: 'near' },
      { ...log, origin: 'far', tip: { ...tip, proven: false } },
      { ...log, origin: 'seen', tip: { ...tip, proven: true } },
      { ...log, origin: 'bad', isolated: true, tip: { ...tip, proven: true } },
    ],
  })
  const lineOf = (origin: string): string => text.split('\n').find((line) => line.startsWith(origin)) ?? ''
  expect(lineOf('near')).toMatch(/40 +30 +60 +followed$/)
  expect(lineOf('far')).toMatch(/followed at 95 by a snapshot of giver, proven 40 of 90$/)
  expect(lineOf('seen')).toMatch(/followed at 95 by a snapshot of giver, proven$/)
  expect(lineOf('bad')).toMatch(/isolated/)
})
