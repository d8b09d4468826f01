import { EdgeCoderError } from '../core/errors.js'
import type { Blacklist } from '../core/policy/blacklist.js'
import { isListed, type PolicyView } from '../core/policy/policy-view.js'
import type { Refusal } from '../core/refusal.js'
import type { Audit } from '../ports/audit.js'
import type { Clock } from '../ports/clock.js'
import type { Log } from '../ports/log.js'
import type { Metrics } from '../ports/metrics.js'
import type { Network, PeerAddress } from '../ports/network.js'
import type { Random } from '../ports/random.js'
import type { Store } from '../ports/store.js'
import { ChainBlacklist } from '../roles/policy/chain-blacklist.js'
import { CLIENT_LINKS, SERVER_LINKS } from '../roles/policy/constants.js'
import { PolicyAudit } from '../roles/policy/policy-audit.js'
import type { PolicyChain } from '../roles/policy/policy-chain.js'
import { PolicyCut } from '../roles/policy/policy-cut.js'
import { PolicyExchange, type PolicyPeer } from '../roles/policy/policy-exchange.js'
import { type KeptPolicy, PolicyKeeper } from '../roles/policy/policy-keeper.js'
import type { PolicyService } from '../roles/policy/policy-service.js'
import { PolicyWatch } from '../roles/policy/policy-watch.js'
import { type KnownCoordinators, peersOf } from './known-coordinators.js'
import { isSigned, type NetworkFile } from './network-file.js'
import { policyOf } from './policy.js'
import { takeFolder, watchFolder } from './policy-folder.js'

/** Who is in the network, as this node knows it now. */
export interface PolicySource {
  readonly view: () => PolicyView
  /** May this peer be connected? */
  admits(peerId: string): boolean
  /** Is it on the blacklist? Then it is no guest either. */
  bars(peerId: string): boolean
  /**
   * Takes what is in the data folder, and in the folder that the network file names.
   *
   * @throws EdgeCoderError `store-corrupt`, `bad-config`, or of the message that cannot be taken
   */
  open(components: PolicyComponents, mesh: PolicyMesh): Promise<SignedPolicy | undefined>
}

interface PolicyMesh {
  readonly serves: boolean
  /** Is this peer let in though policy does not list it? */
  readonly isGuest: (peerId: string) => boolean
}

export interface PolicyComponents {
  readonly store: Store
  readonly audit: Audit
  readonly network: Network
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly metrics: Metrics
  readonly known: KnownCoordinators
}

/** The policy, as a part of a node. */
export interface SignedPolicy extends PolicyService {
  /** Resolves once there is a policy. @throws EdgeCoderError `shutting-down` when stopped before */
  start(): Promise<void>
  stop(): Promise<void>
  /** Called when it has changed, once the change is durable. */
  onChange(listener: () => void): () => void
}

/** Why a node of a network with a signed policy has not begun: it has none. */
export function awaitedPolicy(signed: SignedPolicy | undefined): Refusal | undefined {
  return signed !== undefined && signed.chain.head === undefined ? signed.standing() : undefined
}

/** How often it is looked whether the policy has come. */
const AWAIT_MS = 50

/** @param bootstrap multiaddrs of peers to ask for the policy as long as there is none */
export function createPolicySource(network: NetworkFile, bootstrap: readonly string[]): PolicySource {
  if (!isSigned(network)) {
    const view = policyOf(network)
    return {
      view: () => view,
      admits: (peerId) => isListed(view, peerId),
      bars: () => false,
      open: async () => undefined,
    }
  }
  return new SignedSource(network, peersOf(bootstrap))
}

class SignedSource implements PolicySource {
  readonly #network: NetworkFile
  readonly #bootstrap: readonly PeerAddress[]
  readonly #nobody: PolicyView
  #chain: PolicyChain | undefined
  #nowMs = (): number => 0
  /** The blacklist as a message left it. */
  #listed: { readonly sequence: number; readonly blacklist: Blacklist } | undefined

  constructor(network: NetworkFile, bootstrap: readonly PeerAddress[]) {
    this.#network = network
    this.#bootstrap = bootstrap
    this.#nobody = policyOf(network)
  }

  readonly view = (): PolicyView => {
    const view = this.#chain?.view
    const blacklist = this.#blacklist()
    return view === undefined ? this.#nobody : { ...view, ...(blacklist && { blacklist }) }
  }

  /** Who brings the policy is let in before there is one to say so; that alone gives nobody a role. */
  admits(peerId: string): boolean {
    if (this.bars(peerId)) return false
    return isListed(this.view(), peerId) || (this.#lacks() && this.#isBootstrap(peerId))
  }

  bars(peerId: string): boolean {
    return this.#blacklist()?.peer(peerId) !== undefined
  }

  async open(components: PolicyComponents, { serves, isGuest }: PolicyMesh): Promise<SignedPolicy> {
    const { id, policy: folder } = this.#network
    const keeper = new PolicyKeeper(components.store, id)
    this.#nowMs = () => components.clock.nowMs()
    await keeper.load()
    if (folder !== undefined) await takeFolder(keeper, folder)
    this.#chain = keeper.chain
    if (this.#chain.head === undefined && this.#bootstrap.length === 0) throw noPolicy(id, folder)
    const exchange = new PolicyExchange(
      { ...components, keeper },
      {
        networkId: id,
        serves,
        links: serves ? SERVER_LINKS : CLIENT_LINKS,
        servers: () => this.#servers(components.known),
      },
    )
    const admits = (peerId: string): boolean => this.admits(peerId) || isGuest(peerId)
    return new SharedPolicy(components, {
      keeper,
      exchange,
      admits,
      blacklist: () => this.#blacklist(),
      networkId: id,
      ...(folder === undefined ? {} : { folder }),
    })
  }

  #blacklist(): Blacklist | undefined {
    const sequence = this.#chain?.head?.sequence
    if (this.#chain === undefined || sequence === undefined || this.#chain.blacklisted.size === 0)
      return undefined
    if (this.#listed?.sequence !== sequence) {
      const { state, blacklisted } = this.#chain
      this.#listed = { sequence, blacklist: new ChainBlacklist(state, blacklisted, () => this.#nowMs()) }
    }
    return this.#listed.blacklist
  }

  /** Without a policy, or with one that others may have renewed. */
  #lacks(): boolean {
    return this.#chain === undefined || this.#chain.standing(this.#nowMs()) !== undefined
  }

  #isBootstrap(peerId: string): boolean {
    return this.#bootstrap.some((peer) => peer.peerId === peerId)
  }

  #servers(known: KnownCoordinators): readonly PeerAddress[] {
    const { coordinators, gateways } = this.view()
    const addresses = new Map(known.list().map((peer) => [peer.peerId, peer.addresses]))
    const listed = [...coordinators, ...gateways].map((peerId) => ({
      peerId,
      addresses: addresses.get(peerId) ?? [],
    }))
    return this.#lacks() ? [...listed, ...this.#bootstrap] : listed
  }
}

interface Parts {
  readonly keeper: PolicyKeeper
  readonly exchange: PolicyExchange
  readonly admits: (peerId: string) => boolean
  readonly blacklist: () => Blacklist | undefined
  readonly networkId: string
  readonly folder?: string
}

class SharedPolicy implements SignedPolicy {
  readonly #components: PolicyComponents
  readonly #parts: Parts
  readonly #watch: PolicyWatch
  readonly #cut: PolicyCut
  readonly #audit: PolicyAudit
  readonly #stopping = new AbortController()
  #undo: (() => void)[] = []

  constructor(components: PolicyComponents, parts: Parts) {
    this.#components = components
    this.#parts = parts
    const { admits, exchange, networkId } = parts
    const { chain } = parts.keeper
    this.#watch = new PolicyWatch({ ...components, chain })
    this.#cut = new PolicyCut({ ...components, admits, pulling: () => exchange.pulling })
    this.#audit = new PolicyAudit({ ...components, chain }, networkId)
  }

  get chain(): PolicyChain {
    return this.#parts.keeper.chain
  }

  peers(): readonly PolicyPeer[] {
    return this.#parts.exchange.peers
  }

  blacklist(): Blacklist | undefined {
    return this.#parts.blacklist()
  }

  standing(): Refusal | undefined {
    return this.chain.standing(this.#components.clock.nowMs())
  }

  publish(bytes: Uint8Array): Promise<KeptPolicy> {
    return this.#parts.exchange.publish(bytes)
  }

  async start(): Promise<void> {
    const { clock, log } = this.#components
    const { keeper, exchange, folder } = this.#parts
    this.#undo.push(
      keeper.onChange(() => {
        log.info('policy-taken', { sequence: this.chain.head?.sequence })
        this.#watch.look()
        this.#cut.changed()
        this.#audit.look()
      }),
    )
    exchange.start()
    this.#watch.start()
    this.#audit.look()
    if (folder !== undefined) {
      this.#undo.push(watchFolder({ clock, log, keeper }, folder, (bytes) => exchange.spread(bytes)))
    }
    if (this.chain.head !== undefined) return
    log.warn('policy-awaited', {
      detail: 'There is no policy yet: this node does nothing but ask the bootstrap peers for it.',
      next: 'Wait; or check that a bootstrap peer runs, and that the policy has enrolled this peer.',
    })
    await this.#arrival()
  }

  onChange(listener: () => void): () => void {
    return this.#parts.keeper.onChange(listener)
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    this.#cut.stop()
    for (const undo of this.#undo) undo()
    this.#watch.stop()
    this.#parts.exchange.stop()
    await this.#audit.settled()
  }

  /** Resolves once there is a policy, and all of it that who brought it had. */
  async #arrival(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const timer = this.#components.clock.every(AWAIT_MS, () => {
      if (this.chain.head !== undefined && !this.#parts.exchange.pulling) resolve()
    })
    const stopped = (): void =>
      reject(new EdgeCoderError('shutting-down', 'Stopped before there was a policy.'))
    this.#stopping.signal.addEventListener('abort', stopped)
    try {
      await promise
    } finally {
      timer.cancel()
      this.#stopping.signal.removeEventListener('abort', stopped)
    }
  }
}

function noPolicy(id: string, folder: string | undefined): EdgeCoderError {
  const where = folder === undefined ? '' : ` in ${folder}`
  return new EdgeCoderError('bad-config', `there is no policy of network ${id}${where}, and nobody to ask`, {
    next: 'Name a peer that has it in "bootstrap" of the network file, or copy the folder of its messages.',
  })
}
