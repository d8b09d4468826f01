import { isRefusal, type Refusal, refusal } from '../../core/refusal.js'
import type { Log } from '../../ports/log.js'
import type { Random } from '../../ports/random.js'
import type { Gateway } from '../../roles/gateway/gateway.js'
import { createApp } from '../app.js'
import { bearer } from '../auth.js'
import { BodyBudget } from '../body-budget.js'
import { placeOf } from '../duties.js'
import { type MetricsPage, mountHealth } from '../health.js'
import { type HttpServer, listen } from '../http-server.js'
import { DEFAULT_LIMITS } from '../limits.js'
import { LiveStreams } from '../live-streams.js'
import { type Caller, type HttpApp, type HttpContext, mount, type Surface } from '../mount.js'
import { restProblem } from '../problem.js'
import type { Route } from '../route.js'
import { TASK_ROUTES } from '../routes/task-routes.js'
import { mountTasks } from '../routes/tasks.js'
import { mountWallet } from '../routes/wallet.js'
import { WALLET_ROUTES } from '../routes/wallet-routes.js'
import { accountName } from '../schemas/parameters.js'
import { ACCOUNT_HEADER, ADMIN_PREFIX, LOCAL_ACCOUNT } from './admin-routes.js'
import { refuseForeignHost, requireLoopback } from './host-check.js'
import { mountLedgerOffice } from './ledger-handlers.js'
import { mountNode, type NodeComponents } from './node-handlers.js'
import { notHere } from './not-here.js'
import { type TokenFile, writeTokenFile } from './token-file.js'

export interface AdminComponents extends NodeComponents {
  readonly log: Log
  readonly metrics: MetricsPage
  readonly random: Random
}

export interface AdminInit {
  /** Loopback only; default 127.0.0.1. */
  readonly host?: string
  /** 0 = any free one. */
  readonly port: number
  /** Written at start with mode 0600, removed at stop. */
  readonly tokenFile: string
}

/** The local admin API of a node: what `edgecoder …` speaks to. */
export interface AdminApi {
  /** @throws EdgeCoderError `bad-config` (not loopback), `port-in-use`, `store-failed` (the token file) */
  start(): Promise<{ readonly url: string }>
  stop(): Promise<void>
}

export function createAdminApi(components: AdminComponents, init: AdminInit): AdminApi {
  return new LocalAdminApi(components, init)
}

class LocalAdminApi implements AdminApi {
  readonly #components: AdminComponents
  readonly #init: AdminInit
  #server: HttpServer | undefined
  #streams: LiveStreams | undefined
  #token: TokenFile | undefined

  constructor(components: AdminComponents, init: AdminInit) {
    this.#components = components
    this.#init = init
  }

  async start(): Promise<{ readonly url: string }> {
    const { host = '127.0.0.1', port, tokenFile } = this.#init
    const { clock, log, random } = this.#components
    requireLoopback(host)
    const streams = new LiveStreams({ perKey: DEFAULT_LIMITS.streams, total: DEFAULT_LIMITS.streams })
    const app = adminApp(this.#components, streams, (token) => this.#token?.matches(token) === true)
    const server = await listen((request, bindings) => app.fetch(request, bindings), clock, {
      host,
      port,
      // All of its callers have the one address.
      limits: { ...DEFAULT_LIMITS, connectionsPerAddress: DEFAULT_LIMITS.connections },
      portSetting: 'EDGE_ADMIN_PORT',
    })
    try {
      // After the port is ours: a second node on the same folder must not take the first one's token away.
      this.#token = await writeTokenFile(tokenFile, random)
    } catch (error) {
      await server.stop()
      throw error
    }
    this.#server = server
    this.#streams = streams
    log.info('admin-listening', { url: server.url })
    return { url: server.url }
  }

  async stop(): Promise<void> {
    this.#streams?.stop()
    await this.#token?.remove()
    await this.#server?.stop()
  }
}

function adminApp(
  components: AdminComponents,
  streams: LiveStreams,
  isToken: (token: string) => boolean,
): HttpApp {
  const { log, gateway, clock, metrics, node } = components
  const app = createApp(components, {
    surface: 'admin',
    problemFor: () => restProblem,
    gate: refuseForeignHost,
  })
  const root: Surface = {
    app,
    prefix: '',
    maxBodyBytes: DEFAULT_LIMITS.bodyBytes,
    bodies: new BodyBudget({ perKey: DEFAULT_LIMITS.bodiesBytes, total: DEFAULT_LIMITS.bodiesBytes }),
    log,
    problem: restProblem,
    authorize: async (http, route) => authorize(http, route, isToken, components),
  }
  const surface = { ...root, prefix: ADMIN_PREFIX }
  mountNode(surface, components)
  mountLedgerOffice(surface, { ...components, streams })
  if (gateway !== undefined) {
    const atGateway = { ...surface, authorize: whenStarted(gateway, surface) }
    mountTasks(atGateway, { gateway, streams, clock, log })
    mountWallet(atGateway, gateway.wallets)
  } else {
    for (const route of Object.values<Route>({ ...TASK_ROUTES, ...WALLET_ROUTES }))
      mount(surface, route, () => notHere(node, 'gateway'))
  }
  mountHealth(root, components, metrics, 'nothing')
  return app
}

/** The admin API listens before its gateway knows its tasks: a task would seem never to have been. */
function whenStarted(gateway: Gateway, { authorize }: Surface): Surface['authorize'] {
  return async (http, route) => {
    const caller = await authorize(http, route)
    if (gateway.started || isRefusal(caller)) return caller
    return refusal('starting', 'this gateway is starting and does not know its tasks yet', {
      next: 'Ask again in a moment; `edgecoder status` tells when it is ready.',
    })
  }
}

/** Its own token opens what the node does in its roles, and nothing that is another one's to answer. */
function authorize(
  http: HttpContext,
  route: Route,
  isToken: (token: string) => boolean,
  { node, ...roles }: AdminComponents,
): Caller | Refusal {
  if (route.needs === 'nothing') return { account: '', keyId: '' }
  const token = bearer(http)
  if (isRefusal(token)) return token
  if (!isToken(token)) {
    return refusal('unauthorized', 'this is not the admin token of this node', {
      next: 'It is in the token file in the data folder of the node, and new after each start.',
    })
  }
  const place = placeOf(route)
  if (place !== 'any' && roles[place] === undefined) return notHere(node, place)
  const account = http.req.header(ACCOUNT_HEADER) ?? LOCAL_ACCOUNT
  if (accountName.safeParse(account).success) return { account, keyId: 'admin' }
  return refusal('bad-request', `${ACCOUNT_HEADER}: must be 1 to 64 of A-Z a-z 0-9 . _ -`)
}
