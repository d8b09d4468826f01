import { ADMIN_ROUTES } from './admin/admin-routes.js'
import { OPENAI_ROUTES } from './openai/openai-routes.js'
import type { Route } from './route.js'
import { TASK_ROUTES } from './routes/task-routes.js'
import { WALLET_ROUTES } from './routes/wallet-routes.js'

/** Whom the runbook tells apart; `anybody` = whoever runs the node that is asked. */
export type Owner = 'admin' | 'coordinator-owner' | 'contributor' | 'user' | 'anybody'

/** What somebody owns, and the role of the node that it is done at; `any` = at each node. */
interface Duty {
  readonly owner: Owner
  readonly at: 'coordinator' | 'gateway' | 'worker' | 'any'
}

/**
 * Who owns what. Beside these, all that the signed policy decides is the admins', whose keys are no key of a
 * node. A node answers only for the roles that it has, to whoever holds its own admin token; what is a user's
 * is asked of a gateway, with an API key of that user's account.
 */
export const DUTIES = {
  coordinator: { owner: 'coordinator-owner', at: 'coordinator' },
  ledger: { owner: 'coordinator-owner', at: 'coordinator' },
  registration: { owner: 'coordinator-owner', at: 'coordinator' },
  'api-keys': { owner: 'admin', at: 'gateway' },
  worker: { owner: 'contributor', at: 'worker' },
  node: { owner: 'anybody', at: 'any' },
  tasks: { owner: 'user', at: 'gateway' },
  wallet: { owner: 'user', at: 'gateway' },
} as const satisfies Readonly<Record<string, Duty>>

export type DutyName = keyof typeof DUTIES

type DutyOf<Routes> = { readonly [Name in keyof Routes]: DutyName }

/** Every route of the admin API; a new one does not compile before it is somebody's. */
export const ADMIN_DUTIES: DutyOf<typeof ADMIN_ROUTES> = {
  status: 'node',
  config: 'node',
  peers: 'node',
  mesh: 'node',
  models: 'node',
  stop: 'node',
  policyStatus: 'node',
  policyMessages: 'node',
  policyPublish: 'node',
  policyIncident: 'node',
  modelPolicy: 'node',
  whyIdle: 'worker',
  workerTerms: 'worker',
  workerTermsChange: 'worker',
  modelPulls: 'worker',
  modelPull: 'worker',
  coordinatorStatus: 'coordinator',
  coordinatorPause: 'coordinator',
  coordinatorResume: 'coordinator',
  coordinatorDrains: 'coordinator',
  coordinatorDrain: 'coordinator',
  coordinatorUndrain: 'coordinator',
  coordinatorIsolations: 'coordinator',
  coordinatorIsolate: 'coordinator',
  coordinatorRelease: 'coordinator',
  coordinatorSuspensions: 'coordinator',
  coordinatorEvidence: 'coordinator',
  coordinatorReinstate: 'coordinator',
  coordinatorQueue: 'coordinator',
  coordinatorWorkers: 'coordinator',
  coordinatorQuality: 'coordinator',
  coordinatorRollouts: 'coordinator',
  coordinatorPeers: 'coordinator',
  coordinatorExplain: 'coordinator',
  ledgerStatus: 'ledger',
  ledgerVerify: 'ledger',
  ledgerProof: 'ledger',
  ledgerReconcile: 'ledger',
  ledgerEvidence: 'ledger',
  ledgerReadmit: 'ledger',
  ledgerConfirm: 'ledger',
  ledgerRelease: 'ledger',
  ledgerSlices: 'ledger',
  ledgerSliceReturn: 'ledger',
  backup: 'ledger',
  wallet: 'ledger',
  walletHistory: 'ledger',
  economyWindows: 'ledger',
  economyPrices: 'ledger',
  economySupply: 'ledger',
  economyFees: 'ledger',
  economyFeeDraw: 'ledger',
  enrollmentIssue: 'registration',
  enrollmentTokens: 'registration',
  enrollmentRevoke: 'registration',
  enrollmentRequests: 'registration',
  enrollmentDeny: 'registration',
  keyList: 'api-keys',
  keyCreate: 'api-keys',
  keyRevoke: 'api-keys',
  keyRotate: 'api-keys',
}

const PLACES = new Map<Route, Duty['at']>()
for (const name of Object.keys(ADMIN_DUTIES) as (keyof typeof ADMIN_ROUTES)[]) {
  PLACES.set(ADMIN_ROUTES[name], DUTIES[ADMIN_DUTIES[name]].at)
}
for (const route of Object.values<Route>({ ...TASK_ROUTES, ...OPENAI_ROUTES })) {
  PLACES.set(route, DUTIES.tasks.at)
}
for (const route of Object.values<Route>(WALLET_ROUTES)) PLACES.set(route, DUTIES.wallet.at)

/** The role that a node must have to answer; `any` = none, as for health. */
export function placeOf(route: Route): Duty['at'] {
  return PLACES.get(route) ?? 'any'
}
