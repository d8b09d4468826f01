import { DEFAULT_TERMS, type EconomyTerms } from '../../src/core/economy/terms.js'
import { holdAccount, ISSUANCE, transitAccount } from '../../src/core/ledger/account-name.js'
import { isRefusal } from '../../src/core/refusal.js'
import type { Task } from '../../src/core/task/task.js'
import type { Store } from '../../src/ports/store.js'
import { readTask } from '../../src/roles/coordinator/task-record.js'
import { auditLog } from '../../src/roles/ledger/audit-log.js'
import { chainStatements, termQuotes } from '../../src/roles/ledger/chain-evidence.js'
import { earlierIn } from '../../src/roles/ledger/continued-mirror.js'
import { createEvidenceReader } from '../../src/roles/ledger/evidence.js'
import { logKeys } from '../../src/roles/ledger/log-keys.js'
import type { LibraryLog, LogStates } from '../../src/roles/ledger/log-library.js'
import { readHead } from '../../src/roles/ledger/log-open.js'
import { LogReader } from '../../src/roles/ledger/log-reader.js'
import { LogState } from '../../src/roles/ledger/log-state.js'
import { LogTree } from '../../src/roles/ledger/log-tree.js'
import { PolicyChain } from '../../src/roles/policy/policy-chain.js'
import { mirrorPrefix, REPLICAS, writtenPrefix } from '../../src/roles/replication/log-name.js'
import { logOrigin } from '../../src/wire/checkpoint.js'
import { type NoteKey, noteKey } from '../../src/wire/note-key.js'
import { publicKeyOf } from '../../src/wire/peer-id.js'
import type { PolicyBody, PolicyKind } from '../../src/wire/policy/policy-message.js'
import { seededKey } from '../helpers/note-signers.js'
import { messageOf, placeOf, signed } from '../helpers/sample-policy.js'
import type { Report } from './events.js'

const ADMIN = seededKey(78)
const LENDER = 'lender'
/** More than any plan can spend. */
const CREDITS = 10n ** 12n
const TASKS = { gte: 't|', lt: 't}' }

/** Owners of workers in turn, so that they check each other. */
export const LENDERS = ['lender', 'second-lender', 'third-lender']
/** Terms under which a coordinator earns what checks cost: they last for a second of sandbox in its books. */
export const CHECKED_TERMS: EconomyTerms = {
  ...DEFAULT_TERMS,
  prices: { ...DEFAULT_TERMS.prices, perSandboxSecond: 100n },
  feeBasisPoints: 5_000n,
}

interface Members {
  readonly coordinators: readonly string[]
  readonly gateways: readonly string[]
  readonly workers: readonly string[]
  readonly accounts: readonly string[]
  /** Account that the first coordinator is enrolled for; left out = none. */
  readonly owner?: string
  /** Accounts of the workers' owners, in their order; left out = one for all. */
  readonly lenders?: readonly string[]
  readonly terms?: EconomyTerms
}

/** A signed policy under which these members are paid, and its accounts have credits, each at a home in turn. */
export async function paidChain(members: Members): Promise<PolicyChain> {
  const chain = new PolicyChain()
  const say = <Kind extends PolicyKind>(kind: Kind, body: PolicyBody<Kind>) => sayPolicy(chain, kind, body)
  const homeOf = (at: number): string => members.coordinators[at % members.coordinators.length] ?? ''
  await say('genesis', {
    name: 'simulated',
    root: { keys: [ADMIN.publicKey], threshold: 1 },
    powers: [],
    terms: members.terms ?? DEFAULT_TERMS,
    coordinators: members.coordinators.map(memberOf),
    gateways: members.gateways,
  })
  const { lenders = [LENDER] } = members
  for (const account of new Set(lenders)) {
    await say('account', { account, role: 'contributor', home: homeOf(0), epoch: 1, gateways: [] })
  }
  for (const [at, account] of members.accounts.entries()) {
    const home = homeOf(at)
    await say('account', { account, role: 'user', home, epoch: 1, gateways: [] })
    await say('grant', { account, amount: CREDITS, source: 'issuance', reference: account })
  }
  for (const [n, peer] of members.workers.entries()) {
    const account = lenders[n % lenders.length] ?? LENDER
    await say('enrol', { node: memberOf(peer), agent: `w${n}`, account, role: 'worker' })
    await say('node-state', { peer, state: 'active', reason: '' })
  }
  if (members.owner !== undefined)
    await say('enrol', {
      node: memberOf(homeOf(0)),
      agent: 'c0',
      account: members.owner,
      role: 'coordinator',
    })
  return chain
}

/** A message that comes into force everywhere at once. */
export async function sayPolicy<Kind extends PolicyKind>(
  chain: PolicyChain,
  kind: Kind,
  body: PolicyBody<Kind>,
): Promise<void> {
  const last = chain.head === undefined ? undefined : chain.at(chain.head.sequence)?.message
  const message = messageOf(kind, body, last === undefined ? undefined : placeOf(last))
  const taken = await chain.take(signed(message, ADMIN))
  if (isRefusal(taken)) throw new Error(`${kind}: ${taken.detail}`)
}

/** A log of the newest epoch of a home, as the disk of its coordinator has it. */
interface WrittenLog {
  readonly home: string
  readonly coordinator: string
  readonly store: Store
  readonly state: LogState
}

/**
 * What must be true of the ledgers when all is quiet: each stands up to an audit; each task that is done was
 * paid once, in one log, by the fence that did it; whatever ended otherwise cost nothing; nothing is held or
 * under way between two homes; and no credit was made or lost.
 *
 * @param stores of each coordinator
 * @param late the clock of one was so far ahead that what it wrote then is not final to others before that time
 */
export async function auditPaid(
  stores: ReadonlyMap<string, Store>,
  chain: PolicyChain,
  { accounts, late }: Pick<Members, 'accounts'> & { readonly late: boolean },
  report: Report,
): Promise<void> {
  const logs = newestLogs(stores, chain)
  for (const { home, state } of logs) {
    const epoch = chain.state.get('home', home)?.epoch
    if (state.get('log', '')?.epoch !== epoch)
      report('a home is taken over', `epoch ${epoch} of ${home} was not begun`)
  }
  for (const [coordinator, store] of stores) await auditWritten(coordinator, store, chain, report)
  await judgeTasks(stores, logs, report)
  for (const { home, state } of logs) {
    for (const other of logs) {
      const back = other.state.get('balance', transitAccount(home)) ?? 0n
      const under = (state.get('balance', transitAccount(other.home)) ?? 0n) + back
      if (under !== 0n && !late)
        report('credits arrive', `${under} are under way from ${home} to ${other.home}`)
    }
  }
  const issued = logs.reduce((sum, { state }) => sum - (state.get('balance', ISSUANCE) ?? 0n), 0n)
  const granted = CREDITS * BigInt(accounts.length)
  if (issued !== granted) report('no credit is made', `${issued} were issued, ${granted} granted`)
}

function newestLogs(stores: ReadonlyMap<string, Store>, chain: PolicyChain): readonly WrittenLog[] {
  const network = chain.head?.network ?? ''
  return chain.logs.flatMap(({ home, epoch, coordinator }) => {
    const store = stores.get(coordinator)
    if (store === undefined || chain.state.get('home', home)?.epoch !== epoch) return []
    const prefix = writtenPrefix(network, coordinator, logOrigin(network, home, epoch))
    return [{ home, coordinator, store, state: new LogState(store, logKeys(prefix)) }]
  })
}

/** All logs that a coordinator writes, or wrote before their homes were handed over. */
async function auditWritten(
  coordinator: string,
  store: Store,
  chain: PolicyChain,
  report: Report,
): Promise<void> {
  const network = chain.head?.network ?? ''
  const here = new Map<string, LibraryLog>()
  // At rest all that a log has is final.
  const states: LogStates = {
    find: (origin) => here.get(origin),
    finalSize: (origin) => here.get(origin)?.head?.size ?? 0,
  }
  const evidence = createEvidenceReader(
    { statements: chainStatements(chain, () => states), quotes: termQuotes },
    { network },
  )
  const earlier = earlierIn({ find: (origin) => here.get(origin) })
  const written: { readonly name: string; readonly key: NoteKey; readonly prefix: string }[] = []
  for (const { home, epoch, coordinator: writer } of chain.logs) {
    const origin = logOrigin(network, home, epoch)
    const key = noteKey('note', origin, publicKeyOf(writer) ?? new Uint8Array())
    const isOwn = writer === coordinator
    const prefix = isOwn ? writtenPrefix(network, coordinator, origin) : mirrorPrefix(REPLICAS, origin)
    const keys = logKeys(prefix)
    const head = await readHead({ store, keys }, key)
    const reader = new LogReader(store, keys, { head, tree: LogTree.EMPTY })
    here.set(origin, { key, reader, head, state: new LogState(store, keys) })
    if (isOwn && head !== undefined) written.push({ name: `epoch ${epoch} of ${home}`, key, prefix })
  }
  for (const { name, key, prefix } of written) {
    const audit = await auditLog({ store, evidence, earlier }, { key, prefix })
    if (!audit.complete) report('the ledger stands up to an audit', `that of ${name} ends at ${audit.size}`)
    for (const { where, at, detail } of audit.mismatches) {
      report('the ledger stands up to an audit', `${where} ${at} of ${name}: ${detail}`)
    }
  }
}

/** A task may have been at several coordinators, when its home was away, and in several logs of one. */
async function judgeTasks(
  stores: ReadonlyMap<string, Store>,
  logs: readonly WrittenLog[],
  report: Report,
): Promise<void> {
  const payers = new Map<string, string[]>()
  for (const [coordinator, store] of stores) {
    const written = logs.filter((log) => log.coordinator === coordinator)
    for await (const [at, bytes] of store.range(TASKS)) {
      const { task } = readTask(at, bytes)
      const { id } = task.header
      const holding = written.filter(({ state }) => state.get('hold', id) !== undefined)
      const paying = holding.filter(({ state }) => state.get('hold', id)?.state === 'settled')
      for (const { home } of paying) payers.set(id, [...(payers.get(id) ?? []), home])
      // Moved and paid elsewhere, it is settled in the log of a home that came here since, and released in its own.
      const released = holding.find(({ state }) => state.get('hold', id)?.state === 'released')
      const judged = (task.state === 'done' ? paying[0] : released) ?? paying[0] ?? holding[0]
      // Reserved in a log that was handed over since: what became of it is its successor's matter.
      const wasHere = judged === undefined && written.every(({ home }) => home !== coordinator)
      const wrong = wasHere ? undefined : paymentFault(task, judged?.state)
      if (wrong !== undefined) report('paid as it ended', `${id} is ${task.state}, and ${wrong}`)
    }
  }
  for (const [id, homes] of payers) {
    if (homes.length > 1) report('paid once', `${id} was paid at ${homes.join(' and ')}`)
  }
}

function paymentFault(task: Task, state: LogState | undefined): string | undefined {
  const { id, checkOf } = task.header
  const hold = state?.get('hold', id)
  if (checkOf !== undefined) return hold === undefined ? undefined : 'a user pays for the check'
  if (state === undefined || hold === undefined) return 'nothing was ever held for it'
  if ((state.get('balance', holdAccount(id)) ?? 0n) !== 0n) return 'its credits are still held'
  if (task.state !== 'done') return hold.state === 'released' ? undefined : `its hold is ${hold.state}`
  if (hold.state !== 'settled') return `its hold is ${hold.state}`
  return hold.fence === Number(task.fence) ? undefined : `fence ${hold.fence} was paid, ${task.fence} did it`
}

function memberOf(peer: string): { readonly peer: string; readonly publicKey: Uint8Array } {
  const publicKey = publicKeyOf(peer)
  if (publicKey === undefined) throw new Error(`${peer} is no peer id with a key in it`)
  return { peer, publicKey }
}
