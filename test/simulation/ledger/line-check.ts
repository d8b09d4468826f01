import { isRefusal } from '../../../src/core/refusal.js'
import { AuditState } from '../../../src/roles/ledger/audit-state.js'
import { earlierIn } from '../../../src/roles/ledger/continued-mirror.js'
import { countedPart } from '../../../src/roles/ledger/counted-part.js'
import type { LogLibrary } from '../../../src/roles/ledger/log-library.js'
import { replayLine } from '../../../src/roles/ledger/log-line.js'
import type { LogName } from '../../../src/roles/replication/log-name.js'
import type { Report } from '../events.js'
import type { FinalCheck } from './checks.js'
import { LEDGER_NETWORK, simEvidence } from './entries.js'
import { originOf } from './world.js'

/**
 * Looks at homes that were handed over, once all is quiet: whatever was final of an epoch is within what the later
 * ones go on from; and all credits there are, are those that the entries which count have made.
 *
 * @param library of an honest coordinator
 */
export async function judgeLines(
  logs: readonly LogName[],
  library: LogLibrary,
  { finals, report }: { readonly finals: FinalCheck; readonly report: Report },
): Promise<void> {
  const homes = new Set(logs.map(({ home }) => home))
  for (const home of homes) {
    const epochs = logs.filter((log) => log.home === home && finals.largest(originOf(log)) > 0)
    const latest = epochs.at(-1)
    if (latest === undefined || latest.epoch === 1) continue
    for (const log of epochs) {
      const counts = countedPart(library, { network: LEDGER_NETWORK, ...log }, latest.epoch)
      const final = finals.largest(originOf(log))
      // Where the later log is not final yet, another one says it.
      if (counts === undefined || final <= counts.size) continue
      report(
        'what is final survives a hand-over',
        `${final} of ${originOf(log)} was final, ${counts.size} count`,
      )
    }
    await judgeCredits(latest, library, report)
  }
}

/** The state of the latest epoch is what follows from all entries that count, and nothing is in it twice. */
async function judgeCredits(log: LogName, library: LogLibrary, report: Report): Promise<void> {
  const held = library.find(originOf(log))
  if (held?.head === undefined) return
  const { head, state, key } = held
  // One of its own may have entries that a full disk keeps in memory.
  if (state.get('log', '')?.size !== head.size) return
  const again = new AuditState()
  const line = { view: again, absorb: again.absorb.bind(again) }
  const parts = { earlier: earlierIn(library), evidence: simEvidence() }
  const cut = { origin: key.name, size: head.size, root: head.root }
  const refused = await replayLine(cut, parts, line)
  if (isRefusal(refused)) report('what counts may stand', `${key.name}: ${refused.detail}`)
  let sum = 0n
  for (const [account, balance] of again.balances()) {
    sum += balance
    const there = state.get('balance', account) ?? 0n
    if (there !== balance) report('no credit exists twice', `${account} has ${there}, made were ${balance}`)
  }
  if (sum !== 0n) report('no credit exists twice', `all balances of ${key.name} sum to ${sum}`)
}
