import type { IssuanceRow } from '../../core/economy/issuance.js'
import { type HomeWork, type IssuanceFigures, issuanceFigures } from '../../core/economy/issuance-window.js'
import { compare } from '../../core/economy/split.js'
import type { EconomyTerms } from '../../core/economy/terms.js'
import type { Evidence } from '../../core/ledger/facts.js'
import { entriesBefore, FIRST_EPOCH } from '../../core/ledger/line.js'
import { sameBytes } from '../../core/ledger/merkle/tree-hash.js'
import type { IssuanceRecord, LedgerView, WorkRecord } from '../../core/ledger/records.js'
import { isRefusal, type Refusal, refusal } from '../../core/refusal.js'
import { logOrigin } from '../../wire/checkpoint.js'
import type { EntryOf } from '../../wire/ledger/entry.js'
import { ISSUE_ROWS } from '../../wire/limits.js'
import type { PolicyChain } from '../policy/policy-chain.js'
import type { LogStates } from './log-library.js'
import { earningsOf } from './work-evidence.js'

/** What an issuance is computed from, beside the log that it stands in. */
export interface IssuanceSources {
  readonly chain: PolicyChain
  /** Other logs; left out where one log is all there is, or all that is looked at. */
  readonly library?: (() => LogStates) | undefined
}

type Input = EntryOf<'issuance-window'>['inputs'][number]

/**
 * The home whose log closes the issuance windows of the network: that of the coordinator that was admitted
 * first. Whoever goes on with that home, goes on with the windows.
 */
export function closingHome(chain: PolicyChain): string | undefined {
  return chain.logs[0]?.home
}

/** State of the log of a home; and how far it may be built on. */
export interface HomeLog {
  readonly state: LedgerView
  /** It is the log that asks: what is missing there is wrong, not late. */
  readonly asks: boolean
  /** Records of positions below it count; those of the log that asks all do. */
  readonly finalSize: number
}

/** Finds logs by home and epoch; undefined = it is not here. */
export type HomeLogs = (home: string, epoch: number) => HomeLog | undefined

/** @param view of the log that asks, at the place that is asked for */
export function homeLogs(view: LedgerView, { library }: IssuanceSources): HomeLogs {
  return (home, epoch) => {
    const log = view.get('log', '')
    if (log === undefined) return undefined
    if (log.home === home && log.epoch === epoch) {
      return { state: view, asks: true, finalSize: entriesBefore(view) + log.size }
    }
    const origin = logOrigin(log.network, home, epoch)
    const found = library?.().find(origin)
    if (found === undefined) return undefined
    const final = library?.().finalSize(origin) ?? 0
    // With its beginning all that it goes on from is final.
    return { state: found.state, asks: false, finalSize: final && entriesBefore(found.state) + final }
  }
}

/** The present epoch of a home, as a log's own policy has it. */
export function epochOf(view: LedgerView, home: string): number {
  return view.get('home', home)?.epoch ?? FIRST_EPOCH
}

/** What an issuance window over these inputs comes to, and that it may count them. */
export function windowEvidence(
  view: LedgerView,
  { inputs }: Pick<EntryOf<'issuance-window'>, 'inputs'>,
  sources: IssuanceSources,
): Evidence['issuance-window'] | Refusal {
  const log = view.get('log', '')
  const terms = view.get('policy', '')?.terms
  const closing = closingHome(sources.chain)
  if (log === undefined || terms === undefined || log.home !== closing) {
    return refusal('wrong-evidence', `issuance windows are closed in the log of ${closing}, not in this one`)
  }
  const before = view.get('issuance', '')
  const window = (before?.window ?? -1) + 1
  const figures = figuresOf(view, { window, inputs }, terms, homeLogs(view, sources))
  if (isRefusal(figures)) return figures
  return { window, inputs, ...figuresFields(figures) }
}

/** What an entry says of the figures: sums, no accounts. */
export function figuresFields({ demand, capacity, load, pool, work, split }: IssuanceFigures) {
  const { reserve } = split
  const [contributors, coordinators] = [sumOf(split.contributors), sumOf(split.coordinators)]
  return { demand, capacity, load, pool, work, contributors, coordinators, reserve }
}

/**
 * What one part of an issuance in a home's log comes to.
 *
 * @returns `not-final` when what it follows from is not here yet
 */
export function issueEvidence(
  view: LedgerView,
  { window, part }: Pick<EntryOf<'issue'>, 'window' | 'part'>,
  sources: IssuanceSources,
): Evidence['issue'] | Refusal {
  const parts = issueParts(view, window, sources)
  if (isRefusal(parts)) return parts
  return parts[part] ?? refusal('wrong-evidence', `issuance window ${window} has ${parts.length} parts here`)
}

/** All parts of an issuance that belong into a home's log; none = the home gets nothing. */
export function issueParts(
  view: LedgerView,
  window: number,
  sources: IssuanceSources,
): readonly Evidence['issue'][] | Refusal {
  const log = view.get('log', '')
  const closing = closingHome(sources.chain)
  if (log === undefined || closing === undefined) return refusal('not-final', 'no policy is in force yet')
  const logs = homeLogs(view, sources)
  const closer = logs(closing, epochOf(view, closing))
  const record = closer?.state.get('issuance', String(window))
  if (closer === undefined || record === undefined || record.index >= closer.finalSize) {
    return refusal('not-final', `issuance window ${window} is not final here yet`)
  }
  const figures = recountIssuance(closer.state, record, sources.chain, logs)
  if (isRefusal(figures)) return figures
  const { split, homes } = figures
  const rows = split.contributors.filter(({ account }) => homes.get(account) === log.home)
  const coordinator = split.coordinators.find(({ account }) => account === log.home)?.amount ?? 0n
  const reserve = log.home === closing ? split.reserve : 0n
  if (rows.length === 0 && coordinator === 0n && reserve === 0n) return []
  const count = Math.max(1, Math.ceil(rows.length / ISSUE_ROWS))
  return Array.from({ length: count }, (_, part) => ({
    window,
    part,
    last: part === count - 1,
    inputs: record.digest,
    policy: record.policy,
    rows: rows.slice(part * ISSUE_ROWS, (part + 1) * ISSUE_ROWS),
    coordinator: part === 0 ? coordinator : 0n,
    reserve: part === 0 ? reserve : 0n,
  }))
}

/** A window that was closed, computed again from the logs that are here. */
export function recountIssuance(
  closer: LedgerView,
  record: IssuanceRecord,
  chain: PolicyChain,
  logs: HomeLogs,
): IssuanceFigures | Refusal {
  const sequence = chain.find(record.policy)?.message.sequence
  const terms = sequence === undefined ? undefined : chain.terms(sequence)
  if (terms === undefined) return refusal('not-final', 'the policy of that window is not here yet')
  return figuresOf(closer, record, terms, logs)
}

/** All homes that coordinators ever began, in the order of their names. */
export function homesOf(chain: PolicyChain): readonly string[] {
  return [...new Set(chain.logs.map(({ home }) => home))].sort(compare)
}

/** The newest work window of each home that can be counted now, and those that were counted before. */
export function inputsNow(view: LedgerView, sources: IssuanceSources): readonly Input[] {
  const logs = homeLogs(view, sources)
  const before = view.get('issuance', '')?.inputs ?? []
  const inputs: Input[] = []
  for (const home of homesOf(sources.chain)) {
    const old = before.find((each) => each.home === home)
    const epoch = epochOf(view, home)
    const closed = newestClosed(logs(home, epoch), old?.window ?? -1)
    if (closed !== undefined) inputs.push({ home, epoch, window: closed.window, digest: closed.digest })
    else if (old !== undefined) inputs.push(old)
  }
  return inputs
}

function newestClosed(log: HomeLog | undefined, above: number): WorkRecord | undefined {
  if (log === undefined) return undefined
  for (let window = (log.state.get('tally', '')?.window ?? 0) - 1; window > above; window--) {
    const closed = log.state.get('work', String(window))
    if (closed !== undefined && closed.index < log.finalSize) return closed
  }
  return undefined
}

/** What the open issuance window would come to if it were closed now, over all that the logs here say. */
export function presentFigures(view: LedgerView, sources: IssuanceSources): IssuanceFigures | undefined {
  const logs = homeLogs(view, sources)
  const closing = closingHome(sources.chain)
  const terms = view.get('policy', '')?.terms
  const closer = closing === undefined ? undefined : logs(closing, epochOf(view, closing))
  if (closer === undefined || terms === undefined) return undefined
  const before = closer.state.get('issuance', '')
  const works: HomeWork[] = []
  for (const home of homesOf(sources.chain)) {
    const state = logs(home, epochOf(view, home))?.state
    const open = state?.get('tally', '')
    if (state === undefined || open === undefined) continue
    const from = before?.inputs.find((each) => each.home === home)?.window ?? -1
    const closed = Array.from({ length: Math.max(0, open.window - from - 1) }, (_, at) =>
      state.get('work', String(from + 1 + at)),
    )
    const parts = [...closed, open].filter((part) => part !== undefined)
    const total = (field: 'demand' | 'capacity') => parts.reduce((sum, part) => sum + part[field], 0n)
    const earnings = parts.flatMap((part) => [...earningsOf(state, part)])
    works.push({ home, demand: total('demand'), capacity: total('capacity'), earnings })
  }
  return issuanceFigures(before?.load, works, terms.issuance)
}

function figuresOf(
  closer: LedgerView,
  { window, inputs }: Pick<IssuanceRecord, 'window' | 'inputs'>,
  terms: EconomyTerms,
  logs: HomeLogs,
): IssuanceFigures | Refusal {
  const before = closer.get('issuance', String(window - 1))
  const faulty = inputsFault(before?.inputs ?? [], inputs)
  if (faulty !== undefined) return faulty
  const works: HomeWork[] = []
  for (const input of inputs) {
    const from = before?.inputs.find(({ home }) => home === input.home)?.window ?? -1
    const work = from === input.window ? undefined : workSince(logs, input, from + 1)
    if (work === undefined) continue
    if (isRefusal(work)) return work
    works.push(work)
  }
  return issuanceFigures(before?.load, works, terms.issuance)
}

/** Inputs only go on from those of the window before: no work is counted twice, and no home is dropped. */
function inputsFault(before: readonly Input[], inputs: readonly Input[]): Refusal | undefined {
  const ordered = inputs.every(({ home }, at) => at === 0 || (inputs[at - 1]?.home ?? '') < home)
  if (!ordered) return refusal('wrong-evidence', 'the inputs of an issuance window go up by home')
  const back = before.find((old) => {
    const now = inputs.find(({ home }) => home === old.home)
    return now === undefined || now.window < old.window || now.epoch < old.epoch
  })
  if (back !== undefined) return refusal('wrong-evidence', `the work of ${back.home} would be counted again`)
  const further = inputs.some(({ home, window }) => {
    const old = before.find((each) => each.home === home)
    return old === undefined || window > old.window
  })
  return further ? undefined : refusal('wrong-evidence', 'nothing was worked since the window before')
}

/** What a home's log has closed from one work window on up to that of the input. */
function workSince(logs: HomeLogs, { home, epoch, window, digest }: Input, from: number): HomeWork | Refusal {
  const log = logs(home, epoch)
  const last = log?.state.get('work', String(window))
  const own = log?.asks === true
  if (log === undefined || last === undefined || last.index >= log.finalSize) {
    return refusal(
      own ? 'wrong-evidence' : 'not-final',
      `work window ${window} of ${home} is not ${own ? 'closed' : 'final here yet'}`,
    )
  }
  // Of another log there may be two histories; which one is a lie is not found out here.
  if (!sameBytes(last.digest, digest)) {
    return refusal(
      own ? 'wrong-evidence' : 'not-final',
      `work window ${window} of ${home} is another one here`,
    )
  }
  let [demand, capacity] = [0n, 0n]
  const earnings: HomeWork['earnings'][number][] = []
  for (let at = from; at <= window; at++) {
    const closed = log.state.get('work', String(at))
    if (closed === undefined) return refusal('not-final', `work window ${at} of ${home} is not here`)
    demand += closed.demand
    capacity += closed.capacity
    earnings.push(...earningsOf(log.state, closed))
  }
  return { home, demand, capacity, earnings }
}

function sumOf(rows: readonly IssuanceRow[]): bigint {
  return rows.reduce((all, { amount }) => all + amount, 0n)
}
