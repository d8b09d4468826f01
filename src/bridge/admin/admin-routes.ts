import { z } from 'zod'
import { NO_BODY, NOTHING, PLAIN, type Route } from '../route.js'
import { HistoryQuery } from '../routes/wallet-routes.js'
import {
  CoordinatorStatusJson,
  DrainRequestJson,
  DrainsJson,
  IsolationRequestJson,
  IsolationsJson,
  PauseRequestJson,
  ResumeRequestJson,
} from '../schemas/coordinator.js'
import {
  EconomyFeesJson,
  EconomyPricesJson,
  EconomySupplyJson,
  EconomyWindowsJson,
  FeeDrawJson,
  FeeDrawRequestJson,
} from '../schemas/economy.js'
import { CreatedKeyJson, KeyJson, KeyListJson, KeyRequestJson } from '../schemas/key.js'
import {
  ConfigJson,
  CoordinatorExplanationJson,
  LedgerStatusJson,
  MeshViewJson,
  ModelsJson,
  NodeStatusJson,
  PeersJson,
  QualityJson,
  QueueJson,
  WhyIdleJson,
  WorkersJson,
} from '../schemas/node.js'
import { accountName, KeyParams, queryInteger, taskId } from '../schemas/parameters.js'
import { RolloutsJson } from '../schemas/rollout.js'
import { TermsJson, TermsRequestJson } from '../schemas/terms.js'
import { HistoryJson, WalletJson } from '../schemas/wallet.js'
import { ENROLLMENT_ROUTES } from './enrollment-routes.js'
import { LEDGER_ROUTES } from './ledger-routes.js'
import { MODEL_ROUTES } from './model-routes.js'
import { POLICY_ROUTES } from './policy-routes.js'
import { SUSPENSION_ROUTES } from './suspension-routes.js'

/** Where the routes of the admin API begin. */
export const ADMIN_PREFIX = '/admin/v1'
/** On whose behalf tasks are submitted there; absent = {@link LOCAL_ACCOUNT}. */
export const ACCOUNT_HEADER = 'x-edgecoder-account'
export const LOCAL_ACCOUNT = 'local'

const get = { ...PLAIN, method: 'get', needs: 'admin' } as const
const post = { method: 'post', needs: 'admin', params: NOTHING, query: NOTHING, body: NO_BODY } as const
const DRAIN_MS = 3_600_000
const QUEUE_ROWS = 1_000
const WINDOW_ROWS = 1_000

/** What the local admin API answers beside tasks; served under /admin/v1 and called by the CLI. */
export const ADMIN_ROUTES = {
  status: {
    ...get,
    path: '/status',
    summary: 'Who this node is, what it does and why not.',
    response: NodeStatusJson,
  },
  config: { ...get, path: '/config', summary: 'Each setting with its origin.', response: ConfigJson },
  peers: { ...get, path: '/peers', summary: 'Peers connected now.', response: PeersJson },
  mesh: {
    ...get,
    path: '/mesh',
    summary: 'How this node is woven into the mesh: addresses, relays, DHT, gossip.',
    response: MeshViewJson,
  },
  models: { ...get, path: '/models', summary: 'Models, as far as this node sees.', response: ModelsJson },
  whyIdle: {
    ...get,
    path: '/worker/why-idle',
    summary: 'Why no work comes, the nearest cause first.',
    response: WhyIdleJson,
  },
  workerTerms: {
    ...get,
    path: '/worker/terms',
    summary: 'On what terms the machine of the worker here is lent.',
    response: TermsJson,
  },
  workerTermsChange: {
    ...post,
    path: '/worker/terms',
    summary: 'Changes terms at once, and over restarts.',
    body: TermsRequestJson,
    response: TermsJson,
  },
  coordinatorStatus: {
    ...get,
    path: '/coordinator/status',
    summary: 'Counts of the coordinator here.',
    response: CoordinatorStatusJson,
  },
  coordinatorPause: {
    ...post,
    path: '/coordinator/pause',
    summary: 'No lease is given out from now on, over restarts too; those that are out go on.',
    body: PauseRequestJson,
    response: CoordinatorStatusJson,
  },
  coordinatorResume: {
    ...post,
    path: '/coordinator/resume',
    summary: 'Ends a pause, and stages; or begins with the first stage.',
    body: ResumeRequestJson,
    response: CoordinatorStatusJson,
  },
  coordinatorDrains: {
    ...get,
    path: '/coordinator/drains',
    summary: 'Workers that the coordinator here gives nothing new, and what they have left.',
    response: DrainsJson,
  },
  coordinatorDrain: {
    ...post,
    path: '/coordinator/drains',
    summary: 'A worker gets nothing new here from now on, over restarts too.',
    body: DrainRequestJson,
    response: DrainsJson,
  },
  coordinatorUndrain: {
    ...post,
    path: '/coordinator/drains/{worker}/end',
    summary: 'A worker gets work again.',
    params: z.strictObject({ worker: DrainRequestJson.shape.worker }),
    response: DrainsJson,
  },
  coordinatorIsolations: {
    ...get,
    path: '/coordinator/isolations',
    summary: 'Peers that the coordinator here has nothing to do with.',
    response: IsolationsJson,
  },
  coordinatorIsolate: {
    ...post,
    path: '/coordinator/isolations',
    summary: 'A peer is cut off here from now on, over restarts too; what it ran goes to others.',
    body: IsolationRequestJson,
    response: IsolationsJson,
  },
  coordinatorRelease: {
    ...post,
    path: '/coordinator/isolations/{peer}/end',
    summary: 'A peer is let in again.',
    params: z.strictObject({ peer: IsolationRequestJson.shape.peer }),
    response: IsolationsJson,
  },
  coordinatorQueue: {
    ...get,
    path: '/coordinator/queue',
    summary: 'Waiting and running tasks, by class.',
    query: z.strictObject({ limit: queryInteger(1, QUEUE_ROWS).optional() }),
    response: QueueJson,
  },
  coordinatorWorkers: {
    ...get,
    path: '/coordinator/workers',
    summary: 'Attached workers and those lately gone.',
    response: WorkersJson,
  },
  coordinatorQuality: {
    ...get,
    path: '/coordinator/quality',
    summary: 'What became of attempts, by model and by worker, and how long tasks waited.',
    response: QualityJson,
  },
  coordinatorRollouts: {
    ...get,
    path: '/coordinator/rollouts',
    summary: 'How far versions that policy rolls out have come among the workers here, and how they do.',
    response: RolloutsJson,
  },
  coordinatorPeers: {
    ...get,
    path: '/coordinator/peers',
    summary: 'Peers connected with the coordinator here.',
    response: PeersJson,
  },
  coordinatorExplain: {
    ...get,
    path: '/coordinator/explain/{account}/{id}',
    summary: 'Why a task stands where it stands, as the coordinator here sees it.',
    params: z.strictObject({ account: accountName, id: taskId }),
    response: CoordinatorExplanationJson,
  },
  ledgerStatus: {
    ...get,
    path: '/ledger/status',
    summary: 'How the ledger of the coordinator here stands.',
    response: LedgerStatusJson,
  },
  ...LEDGER_ROUTES,
  ...MODEL_ROUTES,
  ...POLICY_ROUTES,
  ...ENROLLMENT_ROUTES,
  ...SUSPENSION_ROUTES,
  wallet: {
    ...get,
    path: '/wallets/{account}',
    summary: 'Credits of an account, as the coordinator here has them.',
    params: z.strictObject({ account: accountName }),
    response: WalletJson,
  },
  walletHistory: {
    ...get,
    path: '/wallets/{account}/history',
    summary: 'What came and went of an account, newest first.',
    params: z.strictObject({ account: accountName }),
    query: HistoryQuery,
    response: HistoryJson,
  },
  economyWindows: {
    ...get,
    path: '/economy/windows',
    summary: 'Pricing and issuance windows of the ledger here, each computed again.',
    query: z.strictObject({ limit: queryInteger(1, WINDOW_ROWS).optional() }),
    response: EconomyWindowsJson,
  },
  economyPrices: {
    ...get,
    path: '/economy/prices',
    summary: 'What work costs now, at the coordinator here.',
    response: EconomyPricesJson,
  },
  economySupply: {
    ...get,
    path: '/economy/supply',
    summary: 'Where all credits of the log of the coordinator here are.',
    response: EconomySupplyJson,
  },
  economyFees: {
    ...get,
    path: '/economy/fees',
    summary: 'What the coordinator here has earned and not drawn.',
    response: EconomyFeesJson,
  },
  economyFeeDraw: {
    ...post,
    path: '/economy/fees/draw',
    summary: 'Moves what it has earned to an account; once for an id.',
    body: FeeDrawRequestJson,
    response: FeeDrawJson,
  },
  keyList: { ...get, path: '/tokens', summary: 'API keys of the gateway here.', response: KeyListJson },
  keyCreate: {
    ...post,
    path: '/tokens',
    summary: 'Make an API key; its secret is shown this once.',
    body: KeyRequestJson,
    response: CreatedKeyJson,
  },
  keyRevoke: {
    ...post,
    path: '/tokens/{id}/revoke',
    summary: 'End an API key.',
    params: KeyParams,
    response: KeyJson,
  },
  keyRotate: {
    ...post,
    path: '/tokens/{id}/rotate',
    summary: 'A new secret for an API key; the old one stops at once.',
    params: KeyParams,
    response: CreatedKeyJson,
  },
  stop: {
    ...post,
    path: '/stop',
    summary: 'Drain and stop; answered before it begins.',
    body: z.strictObject({ drainMs: z.number().int().min(0).max(DRAIN_MS).optional() }),
    response: z.object({ stopping: z.literal(true) }),
  },
} as const satisfies Record<string, Route>
