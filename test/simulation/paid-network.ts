import { DEFAULT_TERMS } from '../../src/core/economy/terms.js'
import { holdAccount } from '../../src/core/ledger/account-name.js'
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
  readonly coordinator: string
  readonly gateways: readonly string[]
  readonly workers: readonly string[]
  readonly accounts: readonly string[]
  /** Account that the coordinator is enrolled for; left out = none. */
  readonly owner?: string
}

/** A signed policy under which these members are paid, and its accounts have credits. */
export async function paidChain(members: Members): Promise<PolicyChain> {
  const chain = new PolicyChain()
  const say = async <Kind extends PolicyKind>(kind: Kind, body: PolicyBody<Kind>): Promise<void> => {
    const last = chain.head === undefined ? undefined : chain.at(chain.head.sequence)?.message
    const message = messageOf(kind, body, last === undefined ? undefined : placeOf(last))
    const taken = await chain.take(signed(message, ADMIN))
    if (isRefusal(taken)) throw new Error(`${kind}: ${taken.detail}`)
  }
  const home = members.coordinator
  await say('genesis', {
    name: 'simulated',
    root: { keys: [ADMIN.publicKey], threshold: 1 },
    powers: [],
    terms: DEFAULT_TERMS,
    coordinators: [memberOf(home)],
    gateways: members.gateways,
  })
  await say('account', { account: LENDER, role: 'contributor', home, epoch: 1, gateways: [] })
  for (const account of members.accounts) {
    await say('account', { account, role: 'user', home, epoch: 1, gateways: [] })
    await say('grant', { account, amount: CREDITS, source: 'issuance', reference: account })
  }
  for (const [n, peer] of members.workers.entries()) {
    await say('enrol', { node: memberOf(peer), agent: `w${n}`, account: LENDER, role: 'worker' })
    await say('node-state', { peer, state: 'active', reason: '' })
  }
  if (members.owner !== undefined)
    await say('enrol', { node: memberOf(home), agent: 'c0', account: members.owner, role: 'coordinator' })
  return chain
}

/**
 * What must be true of the ledger when all is quiet: it stands up to an audit; each task that is done was paid once,
 * by the fence that did it; whatever ended otherwise cost nothing; nothing is held; and no credit was made or lost.
 */
export async function auditPaid(
  store: Store,
  chain: PolicyChain,
  { coordinator, accounts }: Pick<Members, 'coordinator' | 'accounts'>,
  report: Report,
): Promise<void> {
  const network = chain.head?.network ?? ''
  const origin = logOrigin(network, coordinator, 1)
  const key = noteKey('note', origin, publicKeyOf(coordinator) ?? new Uint8Array())
  const evidence = createEvidenceReader(
    { statements: chainStatements(chain), quotes: termQuotes },
    { network },
  )
  const audit = await auditLog({ store, evidence }, { key, prefix: OWN_LOG })
  if (!audit.complete) report('the ledger stands up to an audit', `it ends at ${audit.size}`)
  for (const { where, at, detail } of audit.mismatches) {
    report('the ledger stands up to an audit', `${where} ${at}: ${detail}`)
  }
  const state = new LogState(store, logKeys(OWN_LOG))
  for await (const [at, bytes] of store.range(TASKS)) {
    const { task } = readTask(at, bytes)
    const wrong = paymentFault(task, state)
    if (wrong !== undefined) report('paid as it ended', `${task.header.id} is ${task.state}, and ${wrong}`)
  }
  let granted = 0n
  for (const account of accounts) {
    const balance = state.get('balance', account) ?? 0n
    if (balance > CREDITS) report('no credit is made', `${account} has ${balance}`)
    granted += CREDITS
  }
  const issued = -(state.get('balance', 'sys:issuance') ?? 0n)
  if (issued !== granted) report('no credit is made', `${issued} were issued, ${granted} granted`)
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
