import { DEFAULT_TERMS } from '../../src/core/economy/terms.js'
import { holdAccount, ISSUANCE, transitAccount } from '../../src/core/ledger/account-name.js'
import { isRefusal } from '../../src/core/refusal.js'
import type { Task } from '../../src/core/task/task.js'
import type { Store } from '../../src/ports/store.js'
import { readTask } from '../../src/roles/coordinator/task-record.js'
import { auditLog } from '../../src/roles/ledger/audit-log.js'
import { chainStatements, termQuotes } from '../../src/roles/ledger/chain-evidence.js'
import { createEvidenceReader } from '../../src/roles/ledger/evidence.js'
import { logKeys } from '../../src/roles/ledger/log-keys.js'
import { LogState } from '../../src/roles/ledger/log-state.js'
import { PolicyChain } from '../../src/roles/policy/policy-chain.js'
import { logOrigin } from '../../src/wire/checkpoint.js'
import { noteKey } from '../../src/wire/note-key.js'
import { publicKeyOf } from '../../src/wire/peer-id.js'
import type { PolicyBody, PolicyKind } from '../../src/wire/policy/policy-message.js'
import { seededKey } from '../helpers/note-signers.js'
import { messageOf, placeOf, signed } from '../helpers/sample-policy.js'
import type { Report } from './events.js'

const ADMIN = seededKey(78)
const LENDER = 'lender'
const OWN_LOG = 'ledger|0'
/** More than any plan can spend. */
const CREDITS = 10n ** 12n
const TASKS = { gte: 't|', lt: 't}' }

interface Members {
  readonly coordinators: readonly string[]
  readonly gateways: readonly string[]
  readonly workers: readonly string[]
  readonly accounts: readonly string[]
  /** Account that the first coordinator is enrolled for; left out = none. */
  readonly owner?: string
}

/** A signed policy under which these members are paid, and its accounts have credits, each at a home in turn. */
export async function paidChain(members: Members): Promise<PolicyChain> {
  const chain = new PolicyChain()
  const say = async <Kind extends PolicyKind>(kind: Kind, body: PolicyBody<Kind>): Promise<void> => {
    const last = chain.head === undefined ? undefined : chain.at(chain.head.sequence)?.message
    const message = messageOf(kind, body, last === undefined ? undefined : placeOf(last))
    const taken = await chain.take(signed(message, ADMIN))
    if (isRefusal(taken)) throw new Error(`${kind}: ${taken.detail}`)
  }
  const homeOf = (at: number): string => members.coordinators[at % members.coordinators.length] ?? ''
  await say('genesis', {
    name: 'simulated',
    root: { keys: [ADMIN.publicKey], threshold: 1 },
    powers: [],
    terms: DEFAULT_TERMS,
    coordinators: members.coordinators.map(memberOf),
    gateways: members.gateways,
  })
  const lender = { account: LENDER, role: 'contributor', home: homeOf(0), epoch: 1, gateways: [] } as const
  await say('account', lender)
  for (const [at, account] of members.accounts.entries()) {
    const home = homeOf(at)
    await say('account', { account, role: 'user', home, epoch: 1, gateways: [] })
    await say('grant', { account, amount: CREDITS, source: 'issuance', reference: account })
  }
  for (const [n, peer] of members.workers.entries()) {
    await say('enrol', { node: memberOf(peer), agent: `w${n}`, account: LENDER, role: 'worker' })
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

/** A coordinator's own log, as its disk has it. */
interface OwnLog {
  readonly home: string
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
  const logs = [...stores].map(([home, store]) => {
    return { home, store, state: new LogState(store, logKeys(OWN_LOG)) }
  })
  for (const log of logs) await auditOwn(log, chain, report)
  await judgeTasks(logs, report)
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

async function auditOwn({ home, store }: OwnLog, chain: PolicyChain, report: Report): Promise<void> {
  const network = chain.head?.network ?? ''
  const key = noteKey('note', logOrigin(network, home, 1), publicKeyOf(home) ?? new Uint8Array())
  const evidence = createEvidenceReader(
    { statements: chainStatements(chain), quotes: termQuotes },
    { network },
  )
  const audit = await auditLog({ store, evidence }, { key, prefix: OWN_LOG })
  if (!audit.complete) report('the ledger stands up to an audit', `that of ${home} ends at ${audit.size}`)
  for (const { where, at, detail } of audit.mismatches) {
    report('the ledger stands up to an audit', `${where} ${at} of ${home}: ${detail}`)
  }
}

/** A task may have been at several coordinators, when its home was away. */
async function judgeTasks(logs: readonly OwnLog[], report: Report): Promise<void> {
  const payers = new Map<string, string[]>()
  for (const { home, store, state } of logs) {
    for await (const [at, bytes] of store.range(TASKS)) {
      const { task } = readTask(at, bytes)
      const { id } = task.header
      const wrong = paymentFault(task, state)
      if (wrong !== undefined) report('paid as it ended', `${id} is ${task.state}, and ${wrong}`)
      if (state.get('hold', id)?.state === 'settled') payers.set(id, [...(payers.get(id) ?? []), home])
    }
  }
  for (const [id, homes] of payers) {
    if (homes.length > 1) report('paid once', `${id} was paid at ${homes.join(' and ')}`)
  }
}

function paymentFault(task: Task, state: LogState): string | undefined {
  const { id } = task.header
  const hold = state.get('hold', id)
  if (hold === undefined) return 'nothing was ever held for it'
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
