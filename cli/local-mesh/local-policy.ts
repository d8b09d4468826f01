import { randomBytes } from 'node:crypto'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { LOCAL_ACCOUNT } from '../../src/bridge/admin/admin-routes.js'
import { CREDIT } from '../../src/core/economy/fixed-point.js'
import { DEFAULT_TERMS } from '../../src/core/economy/terms.js'
import {
  addPolicy,
  createAdminKey,
  draftPolicy,
  openAdminKey,
  type PolicyBody,
  PolicyChain,
  type PolicyKind,
  signPolicy,
  writeOnce,
} from '../../src/node/admin-policy.js'
import { memberOf } from '../../src/node/policy-text.js'
import type { MeshNode } from './mesh-file.js'

/** Whose workers those of a local mesh are. */
const LENDER_ACCOUNT = 'lender'
/** What the local account begins with. */
export const FIRST_CREDITS = 1_000n

/** Below the folder of the mesh; all that is in it was made here. */
const FOLDER = 'local-policy'
/** Nobody signs anything newer for a mesh that is only tried out. */
const YEARS_MS = 10 * 365 * 86_400_000
/** The passphrase is 32 random digits, so a guess need not be made slow. */
const KEY_COST = 2 ** 12
const PASSPHRASE_BYTES = 16

/** Where the policy of a local mesh is. */
export interface LocalPolicy {
  readonly network: string
  /** The chain, from the folder of the mesh. */
  readonly folder: string
}

/**
 * Makes the signed policy of a new local mesh: its members, an account for who uses it, one for who lends the
 * workers, and first credits. Its admin key lies beside it, encrypted by a passphrase in a file: good for a
 * mesh on one machine, and for nothing else.
 *
 * @param dir of the mesh, which is not laid out yet: what an interrupted attempt left there is replaced
 */
export async function makeLocalPolicy(dir: string, nodes: readonly MeshNode[]): Promise<LocalPolicy> {
  const of = (mode: MeshNode['mode']) => nodes.filter((node) => node.mode === mode)
  const home = of('coordinator')[0]?.peerId ?? ''
  rmSync(join(dir, FOLDER), { recursive: true, force: true })
  const say = await sayer(join(dir, FOLDER))
  await say('genesis', {
    name: 'local',
    root: { keys: [say.key], threshold: 1 },
    powers: [],
    terms: DEFAULT_TERMS,
    coordinators: of('coordinator').map(({ peerId }) => memberOf(peerId)),
    gateways: of('gateway').map(({ peerId }) => peerId),
  })
  await say('account', { account: LOCAL_ACCOUNT, role: 'user', home, epoch: 1, gateways: [] })
  await say('account', { account: LENDER_ACCOUNT, role: 'contributor', home, epoch: 1, gateways: [] })
  for (const { peerId, name } of of('worker')) {
    await say('enrol', { node: memberOf(peerId), agent: name, account: LENDER_ACCOUNT, role: 'worker' })
    await say('node-state', { peer: peerId, state: 'active', reason: 'of the local mesh' })
  }
  await say('grant', {
    account: LOCAL_ACCOUNT,
    amount: FIRST_CREDITS * CREDIT,
    source: 'issuance',
    reference: 'local/first',
  })
  return { network: say.chain.head?.network ?? '', folder: join(FOLDER, 'chain') }
}

interface Sayer {
  <Kind extends PolicyKind>(kind: Kind, body: PolicyBody<Kind>): Promise<void>
  readonly key: Uint8Array
  readonly chain: PolicyChain
}

/** Signs message after message with a new key. */
async function sayer(folder: string): Promise<Sayer> {
  const keyFile = join(folder, 'admin.key')
  const passphrase = randomBytes(PASSPHRASE_BYTES).toString('hex')
  await writeOnce(join(folder, 'passphrase'), Buffer.from(`${passphrase}\n`))
  const key = await createAdminKey(keyFile, passphrase, KEY_COST)
  const signer = await openAdminKey(keyFile, passphrase)
  const chain = new PolicyChain()
  const say = async <Kind extends PolicyKind>(kind: Kind, body: PolicyBody<Kind>): Promise<void> => {
    const issuedMs = Date.now()
    const drafted = draftPolicy(chain, kind, body, { issuedMs, expiresMs: issuedMs + YEARS_MS })
    await addPolicy(join(folder, 'chain'), chain, await signPolicy(drafted, chain, signer), issuedMs)
  }
  return Object.assign(say, { key, chain })
}
