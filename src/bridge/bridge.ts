import type { Clock } from '../ports/clock.js'
import type { Log } from '../ports/log.js'
import type { Random } from '../ports/random.js'
import type { Gateway } from '../roles/gateway/gateway.js'
import type { ApiKeys } from './api-keys.js'
import { createApp } from './app.js'
import { keyAuthorizer } from './auth.js'
import { BodyBudget } from './body-budget.js'
import { type MetricsPage, mountHealth, type Roles } from './health.js'
import { type HttpServer, listen } from './http-server.js'
import { type BridgeLimits, DEFAULT_LIMITS, RateLimits } from './limits.js'
import { LiveStreams } from './live-streams.js'
import type { HttpApp, Surface } from './mount.js'
import { mountChat } from './openai/chat.js'
import { openaiProblem } from './openai/envelope.js'
import { mountModels } from './openai/models.js'
import { mountOpenApi } from './openapi.js'
import { restProblem } from './problem.js'
import { mountTasks } from './routes/tasks.js'
import { mountWallet } from './routes/wallet.js'

export interface BridgeComponents extends Roles {
  readonly gateway: Gateway
  readonly keys: ApiKeys
  readonly log: Log
  readonly metrics: MetricsPage
  readonly clock: Clock
  readonly random: Random
}

export interface BridgeInit {
  /** Default: loopback. */
  readonly host?: string
  /** 0 = any free one. */
  readonly port: number
  readonly version: string
  readonly limits?: Partial<BridgeLimits>
}

/** The HTTP side of a gateway: REST under /api/v1, the OpenAI API under /v1, health and metrics. */
export interface Bridge {
  /** @throws EdgeCoderError `port-in-use`, `bad-config` */
  start(): Promise<{ readonly url: string }>
  /** Tells open streams, lets short answers finish, closes. Tasks go on. */
  stop(): Promise<void>
}

export function createBridge(components: BridgeComponents, init: BridgeInit): Bridge {
  return new HttpBridge(components, init)
}

class HttpBridge implements Bridge {
  readonly #components: BridgeComponents
  readonly #init: BridgeInit
  #server: HttpServer | undefined
  #streams: LiveStreams | undefined

  constructor(components: BridgeComponents, init: BridgeInit) {
    this.#components = components
    this.#init = init
  }

  async start(): Promise<{ readonly url: string }> {
    const { clock, log } = this.#components
    const { host = '127.0.0.1', port, version } = this.#init
    const limits = { ...DEFAULT_LIMITS, ...this.#init.limits }
    const streams = new LiveStreams({ perKey: limits.streamsPerKey, total: limits.streams })
    const app = bridgeApp(this.#components, streams, limits, version)
    this.#server = await listen((request, bindings) => app.fetch(request, bindings), clock, {
      host,
      port,
      limits,
      portSetting: 'EDGE_BRIDGE_PORT',
    })
    this.#streams = streams
    log.info('bridge-listening', { url: this.#server.url })
    return { url: this.#server.url }
  }

  async stop(): Promise<void> {
    this.#streams?.stop()
    await this.#server?.stop()
  }
}

function bridgeApp(
  components: BridgeComponents,
  streams: LiveStreams,
  limits: BridgeLimits,
  version: string,
): HttpApp {
  const { gateway, keys, log, metrics, clock, random } = components
  const problemFor = (path: string) => (path.startsWith('/v1/') ? openaiProblem : restProblem)
  const app = createApp(components, { surface: 'bridge', problemFor })
  const bar = (account: string) => components.policy?.blacklist()?.account(account)
  const authorize = keyAuthorizer(keys, new RateLimits(limits, random), bar)
  const root: Surface = {
    app,
    prefix: '',
    maxBodyBytes: limits.bodyBytes,
    bodies: new BodyBudget({ perKey: limits.bodyBytesPerKey, total: limits.bodiesBytes }),
    log,
    problem: restProblem,
    authorize,
  }
  const openai = { ...root, prefix: '/v1', problem: openaiProblem }
  const rest = { ...root, prefix: '/api/v1' }
  mountTasks(rest, { gateway, streams, clock, log })
  mountWallet(rest, gateway.wallets)
  mountModels(openai, gateway, clock.nowMs())
  mountChat(openai, { gateway, streams, clock, log })
  mountHealth(root, components, metrics, 'admin')
  mountOpenApi(root, version)
  return app
}
