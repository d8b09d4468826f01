import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { z } from 'zod'
import { EdgeCoderError } from '../core/errors.js'
import { endsInPeer } from './listen.js'

const peerId = z
  .string()
  .regex(/^12D3KooW[1-9A-HJ-NP-Za-km-z]{44}$/, 'must be an Ed25519 peer id (12D3KooW…)')

const schema = z.strictObject({
  /** Names the network; part of every protocol id. */
  id: z.string().regex(/^[A-Za-z0-9._-]{1,64}$/, '1 to 64 of A-Z a-z 0-9 . _ -'),
  /** Multiaddrs with /p2p/… of peers to start from. */
  bootstrap: z
    .array(z.string().refine(endsInPeer, 'must be a multiaddr that ends in /p2p/<peer id>'))
    .max(64)
    .default([]),
  coordinators: z.array(peerId).max(256).default([]),
  gateways: z.array(peerId).max(4096).default([]),
  /** Allowlist of worker peer ids. */
  workers: z.array(peerId).max(100_000).default([]),
  /** `open` admits any peer in any role; only on loopback. */
  admission: z.enum(['listed', 'open']).default('listed'),
  /** Folder of the signed policy, from where this file is; then `id` is that of its genesis. */
  policy: z.string().min(1).optional(),
})

const LISTS = ['coordinators', 'gateways', 'workers'] as const
/** The id of a network that a genesis began: of its digest in base32. */
const GENESIS_ID = /^[a-z2-7]{32}$/

/** Who is in the network, by lists; or else the signed policy says so. */
export type NetworkFile = z.output<typeof schema>

/** Has the network a signed policy: from the folder, from the data folder, or from other peers? */
export function isSigned(file: NetworkFile): boolean {
  return file.policy !== undefined || (isUnlisted(file) && GENESIS_ID.test(file.id))
}

/** @throws EdgeCoderError `bad-config`: which field is wrong and why */
export function readNetworkFile(path: string): NetworkFile {
  let json: unknown
  try {
    json = JSON.parse(readFileSync(path, 'utf8'))
  } catch (cause) {
    throw new EdgeCoderError('bad-config', `cannot read the network file ${path}: ${String(cause)}`, {
      cause,
      next: 'EDGE_NETWORK_FILE must name a JSON file; docs/OPERATING.md shows one.',
    })
  }
  const parsed = schema.safeParse(json)
  if (parsed.success) return withPolicyFolder(path, parsed.data)
  const why = parsed.error.issues
    .map((issue) => `${issue.path.join('.') || 'file'}: ${issue.message}`)
    .join('; ')
  throw new EdgeCoderError('bad-config', `the network file ${path} is wrong: ${why}`, {
    next: 'docs/OPERATING.md shows every field of a network file.',
  })
}

function withPolicyFolder(path: string, file: NetworkFile): NetworkFile {
  if (file.policy === undefined) return file
  if (isUnlisted(file)) return { ...file, policy: resolve(dirname(path), file.policy) }
  const lists = LISTS.filter((list) => file[list].length > 0)
  const wrong = file.admission === 'listed' ? lists.join(', ') : 'open admission'
  throw new EdgeCoderError('bad-config', `the network file ${path} has ${wrong} beside a signed policy`, {
    next: 'Leave them out: who is in the network is for the signed policy to say.',
  })
}

/** Nobody could join it but by a policy. */
function isUnlisted(file: NetworkFile): boolean {
  return file.admission === 'listed' && LISTS.every((list) => file[list].length === 0)
}
