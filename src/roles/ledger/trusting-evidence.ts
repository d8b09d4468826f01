import type { Evidence } from '../../core/ledger/facts.js'
import type { LedgerView } from '../../core/ledger/records.js'
import { isRefusal } from '../../core/refusal.js'
import type { EntryKind, EntryOf } from '../../wire/ledger/entry.js'
import type { AnyProven, EvidenceReader } from './evidence.js'

type Issued = 'issuance-window' | 'issue'

/**
 * Takes a log at its word in what it says of other logs: what an issuance comes to, and that what arrived was
 * final. For one that was checked before, or is checked again once the others were read.
 */
export function trusting(evidence: EvidenceReader): EvidenceReader {
  return {
    get signatures() {
      return evidence.signatures
    },
    prove(entry) {
      if (entry.kind === 'transfer-in') return arrived(entry, evidence)
      if (entry.kind !== 'issuance-window' && entry.kind !== 'issue') return evidence.prove(entry)
      const said: EntryOf<Issued> & Evidence[EntryKind & Issued] = entry
      return () => said
    },
  }
}

async function arrived(entry: EntryOf<'transfer-in'>, evidence: EvidenceReader) {
  const proven = await evidence.prove(entry)
  if (isRefusal(proven)) return proven.code === 'not-final' ? atItsWord(entry) : proven
  const either: AnyProven = (view) => {
    const said = proven(view)
    return isRefusal(said) && said.code === 'not-final' ? atItsWord(entry)(view) : said
  }
  return either
}

function atItsWord(entry: EntryOf<'transfer-in'>): AnyProven {
  const { transfer, nature, home, epoch, index, to, amount } = entry
  return (view: LedgerView): Evidence['transfer-in'] => {
    const toHome = view.get('log', '')?.home ?? ''
    return { transfer, nature, home, epoch, index, to, amount, toHome, final: true, withinCut: true }
  }
}
