import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { WALLET_ROUTES } from '../../src/bridge/admin-client.js'
import { DEFAULT_TERMS, type EconomyTerms } from '../../src/core/economy/terms.js'
import { addPolicy, draftPolicy, PolicyChain, signPolicy } from '../../src/node/admin-policy.js'
import type { DsseSigner } from '../../src/wire/dsse.js'
import { publicKeyOf } from '../../src/wire/peer-id.js'
import type { PolicyBody, PolicyKind } from '../../src/wire/policy/policy-message.js'
import { runCli } from './cli.js'
import { seededKey } from './note-signers.js'
import type { ProcessMesh } from './process-mesh.js'
import { messageOf, placeOf, signed } from './sample-policy.js'
import { until } from './until.js'

/** Who signs all that the test says. */
export const ADMIN = seededKey(77)
const DAY_MS = 86_400_000
/** Of what takes a second, on a machine that is busy. */
const WITHIN_MS = 60_000

/** A mesh whose members, accounts and credits are a matter of signed policy; its one admin is the test. */
export class SignedNetwork {
  readonly folder: string
  readonly #mesh: ProcessMesh
  /** Who may sign everything. */
  readonly admin: DsseSigner = ADMIN
  readonly #chain = new PolicyChain()

  private constructor(mesh: ProcessMesh) {
    this.#mesh = mesh
    this.folder = join(mesh.dir, 'policy')
  }

  /**
   * Makes the policy of a mesh that is laid out and does not run yet, and its network file.
   *
   * @param gateways further ones, that are not of the mesh
   * @param more.terms of its economy
   * @param more.carried whether nodes follow the folder, or wait for what the test publishes
   * @param more.powers that others than the test hold
   * @param more.strangers names of nodes that are not admitted from the beginning
   */
  static async of(
    mesh: ProcessMesh,
    gateways: readonly string[] = [],
    {
      terms = DEFAULT_TERMS,
      carried = 'folder',
      powers = [],
      strangers = [],
    }: {
      readonly terms?: EconomyTerms
      readonly carried?: 'folder' | 'mesh'
      readonly powers?: PolicyBody<'genesis'>['powers']
      readonly strangers?: readonly string[]
    } = {},
  ): Promise<SignedNetwork> {
    const network = new SignedNetwork(mesh)
    mkdirSync(network.folder)
    const of = (mode: string) =>
      [...mesh.nodes.values()].filter(({ node }) => node.mode === mode && !strangers.includes(node.name))
    const members = (mode: string) => of(mode).map(({ node }) => node.peerId)
    await network.say('genesis', {
      name: 'test',
      root: { keys: [ADMIN.publicKey], threshold: 1 },
      powers,
      terms,
      coordinators: members('coordinator').map(memberOf),
      gateways: [...members('gateway'), ...gateways],
    })
    const bootstrap = of('coordinator').map(
      ({ node }) => `/ip4/127.0.0.1/tcp/${node.libp2pPort}/p2p/${node.peerId}`,
    )
    const file = { id: network.#chain.head?.network, bootstrap }
    const all = carried === 'folder' ? { ...file, policy: 'policy' } : file
    writeFileSync(mesh.mesh.networkFile, JSON.stringify(all))
    return network
  }

  /** Resolves when an account can spend what was granted: its home may enter that after it is ready. */
  async funded(account: string): Promise<void> {
    const gateway = this.#mesh.get('gateway')
    await until(`the credits of ${account} to be there`, async () => {
      return (await gateway.client(account).call(WALLET_ROUTES.balance)).available !== '0'
    })
  }

  /**
   * Starts a node of a mesh whose policy is carried by the mesh itself, and gives it all messages so far, as a
   * person would. The others are best started after it: until then they are turned away, and try again and again.
   */
  async beginAt(name: string): Promise<void> {
    const node = this.#mesh.get(name)
    node.start()
    await node.answers()
    const words = ['--json', '--node', node.node.dataDir, 'admin', 'policy', 'publish', ...this.files]
    await until('the policy to be published', async () => (await runCli(words)).code === 0, WITHIN_MS)
  }

  /** Adds a signed message to the folder that all nodes of the mesh follow. */
  async say<Kind extends PolicyKind>(kind: Kind, body: PolicyBody<Kind>, lifeMs = DAY_MS): Promise<void> {
    const nowMs = Date.now()
    const chain = this.#chain
    const drafted = draftPolicy(chain, kind, body, { issuedMs: nowMs, expiresMs: nowMs + lifeMs })
    await addPolicy(this.folder, chain, await signPolicy(drafted, chain, ADMIN), nowMs)
  }

  /** Adds what was published elsewhere. */
  async follow(bytes: Uint8Array): Promise<void> {
    await addPolicy(this.folder, this.#chain, bytes, Date.now())
  }

  /** Place of the newest message. */
  get sequence(): number {
    return this.#chain.head?.sequence ?? -1
  }

  /** Files of the messages, from the genesis on. */
  get files(): readonly string[] {
    return Array.from({ length: this.sequence + 1 }, (_, at) =>
      join(this.folder, `${String(at).padStart(6, '0')}.json`),
    )
  }

  /** An unsigned message for the next place; the chain here stays as it is. */
  draft<Kind extends PolicyKind>(kind: Kind, body: PolicyBody<Kind>): Uint8Array {
    const nowMs = Date.now()
    return draftPolicy(this.#chain, kind, body, { issuedMs: nowMs, expiresMs: nowMs + DAY_MS })
  }

  /** What the admin signs for the place that the newest message has: together they are a fork. */
  rival<Kind extends PolicyKind>(kind: Kind, body: PolicyBody<Kind>): Uint8Array {
    const before = this.#chain.at(this.sequence - 1)?.message
    if (before === undefined) throw new Error('the newest message is the genesis')
    const nowMs = Date.now()
    const times = { issuedMs: nowMs, expiresMs: nowMs + DAY_MS }
    return signed(messageOf(kind, body, placeOf(before), times), ADMIN)
  }

  /** What the admin signed for the next place of another chain, that parted from this one before. */
  mixed<Kind extends PolicyKind>(kind: Kind, body: PolicyBody<Kind>): Uint8Array {
    const { head } = this.#chain
    if (head === undefined) throw new Error('the chain has not begun')
    const nowMs = Date.now()
    const times = { issuedMs: nowMs, expiresMs: nowMs + DAY_MS }
    const elsewhere = { ...head, digest: head.digest.map((byte) => byte ^ 1) }
    return signed(messageOf(kind, body, elsewhere, times), ADMIN)
  }

  /** A message for the next place that somebody else signs; the chain here stays as it is. */
  forge<Kind extends PolicyKind>(kind: Kind, body: PolicyBody<Kind>, signer: DsseSigner): Uint8Array {
    const nowMs = Date.now()
    const times = { issuedMs: nowMs, expiresMs: nowMs + DAY_MS }
    const message = messageOf(kind, body, this.#chain.head, times)
    return signed(message, signer)
  }

  /** A message that somebody signs to follow what others published meanwhile; the chain here stays as it is. */
  next<Kind extends PolicyKind>(
    after: { readonly sequence: number; readonly digest: Uint8Array },
    kind: Kind,
    body: PolicyBody<Kind>,
    signer: DsseSigner,
  ): Uint8Array {
    const nowMs = Date.now()
    const times = { issuedMs: nowMs, expiresMs: nowMs + DAY_MS }
    return signed(messageOf(kind, body, { ...after, network: this.id }, times), signer)
  }

  get id(): string {
    return this.#chain.head?.network ?? ''
  }

  /**
   * @param gateways names of those whose orders may spend from it; none = any
   * @param at the coordinator that is its home; left out = the first of the mesh
   */
  openAccount(
    account: string,
    role: 'user' | 'contributor' = 'user',
    { at, gateways = [] }: { readonly at?: string; readonly gateways?: readonly string[] } = {},
  ): Promise<void> {
    const home = at === undefined ? this.#home : this.#peerOf(at)
    const peers = gateways.map((name) => this.#peerOf(name))
    return this.say('account', { account, role, home, epoch: 1, gateways: peers })
  }

  grant(account: string, amount: bigint, reference: string): Promise<void> {
    return this.say('grant', { account, amount, source: 'issuance', reference })
  }

  /** Enrols a worker of the mesh for an account, and admits it. */
  enrol(worker: string, account: string): Promise<void> {
    return this.enrolPeer(this.#peerOf(worker), worker, account)
  }

  async enrolPeer(peer: string, agent: string, account: string): Promise<void> {
    await this.say('enrol', { node: memberOf(peer), agent, account, role: 'worker' })
    await this.say('node-state', { peer, state: 'active', reason: 'known to the test' })
  }

  setState(worker: string, state: PolicyBody<'node-state'>['state']): Promise<void> {
    return this.say('node-state', { peer: this.#peerOf(worker), state, reason: 'as the test wants it' })
  }

  /** The first coordinator of the mesh. */
  get #home(): string {
    const first = [...this.#mesh.nodes.values()].find(({ node }) => node.mode === 'coordinator')
    if (first === undefined) throw new Error('the mesh has no coordinator')
    return first.node.peerId
  }

  #peerOf(name: string): string {
    return this.#mesh.get(name).node.peerId
  }
}

/** As policy names a peer. */
export function memberOf(peer: string): { readonly peer: string; readonly publicKey: Uint8Array } {
  const publicKey = publicKeyOf(peer)
  if (publicKey === undefined) throw new Error(`${peer} is no peer id with a key in it`)
  return { peer, publicKey }
}
