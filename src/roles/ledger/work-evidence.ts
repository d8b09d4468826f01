import { createHash } from 'node:crypto'
import type { Evidence } from '../../core/ledger/facts.js'
import type { EarningRecord, LedgerView, TallyRecord } from '../../core/ledger/records.js'
import { earningKey } from '../../core/ledger/rules/issuance.js'
import { type Refusal, refusal } from '../../core/refusal.js'
import { encodeCbor } from '../../wire/cbor.js'

const DOMAIN = 'edgecoder-work/1\n'

/** What closing the open work window of a log comes to. */
export function workEvidence(view: LedgerView): Evidence['work-window'] | Refusal {
  const tally = view.get('tally', '')
  if (tally === undefined) return refusal('entry-conflict', 'a log begins with its genesis')
  const digest = createHash('sha256').update(DOMAIN)
  for (const { account, home, work, failed } of earningsOf(view, tally)) {
    digest.update(encodeCbor([account, home, work, failed]))
  }
  return { digest: Uint8Array.from(digest.digest()) }
}

/** Who worked in a work window, open or closed, as they came. At most as many as accounts that worked. */
export function* earningsOf(
  view: LedgerView,
  { window, contributors }: Pick<TallyRecord, 'window' | 'contributors'>,
): Iterable<EarningRecord> {
  for (let number = 0; number < contributors; number++) {
    const earning = view.get('earning', earningKey(window, number))
    if (earning !== undefined) yield earning
  }
}
