import { EdgeCoderError } from '../core/errors.js'
import { quorumOf } from '../core/ledger/quorum.js'
import { chainStatements, termQuotes } from '../roles/ledger/chain-evidence.js'
import { createEvidenceReader, type EvidenceReader } from '../roles/ledger/evidence.js'
import type { LogStates } from '../roles/ledger/log-library.js'
import { writerOf } from '../roles/policy/home-epochs.js'
import { cosignerKey } from '../roles/replication/log-name.js'
import { readLogOrigin } from '../wire/checkpoint.js'
import { type NoteKey, noteKey } from '../wire/note-key.js'
import { publicKeyOf } from '../wire/peer-id.js'
import { loadChain, type PolicyChain } from './admin-policy.js'

/** Who signs and cosigns logs, and what their entries stand on: to check a ledger without a node. */
export interface LedgerKeys {
  /** Undefined = whichever a log names. */
  readonly network: string | undefined
  /** How many must have signed or cosigned; undefined = it is not known who the coordinators are. */
  readonly quorum: number | undefined
  /**
   * Checks what is signed within entries; undefined = that takes policy.
   *
   * @param states other logs, where entries say things of them
   */
  evidence(states?: LogStates): EvidenceReader | undefined
  /** The key that signs a log; undefined = no log that is known. */
  keyOf(origin: string): NoteKey | undefined
  /** The keys of those who may cosign a log: all coordinators but the one that writes it. */
  cosigners(origin: string): readonly NoteKey[]
}

/**
 * Keys as the signed policy of a folder has them.
 *
 * @throws EdgeCoderError `not-found` when there is no chain, or of the message that cannot be taken
 */
export async function ledgerKeysIn(folder: string): Promise<LedgerKeys & { readonly network: string }> {
  const chain = await loadChain(folder)
  const { head } = chain
  if (head === undefined) {
    throw new EdgeCoderError('not-found', `there is no policy chain in ${folder}`, {
      next: 'Name the folder of the policy messages of the network with --policy.',
    })
  }
  const { network } = head
  const coordinators = [...(chain.view?.coordinators ?? [])]
  return {
    network,
    quorum: quorumOf(Math.max(1, coordinators.length)),
    evidence(states) {
      const statements = chainStatements(chain, states && (() => states))
      return createEvidenceReader({ statements, quotes: termQuotes }, { network })
    },
    ...logKeysBy(coordinators, (origin) => writerIn(chain, network, origin)),
  }
}

/**
 * Keys without policy: a log's own is that of the peer id in its name, as long as its home was not handed
 * over.
 *
 * @param coordinators peer ids of all coordinators; none = it is not known who they are
 */
export function ledgerKeysOf(coordinators: readonly string[]): LedgerKeys {
  return {
    network: undefined,
    quorum: coordinators.length === 0 ? undefined : quorumOf(coordinators.length),
    evidence: () => undefined,
    ...logKeysBy(coordinators, (origin) => readLogOrigin(origin)?.home),
  }
}

/** Who writes a log, by policy. */
function writerIn(chain: PolicyChain, network: string, origin: string): string | undefined {
  const name = readLogOrigin(origin)
  return name?.network === network ? writerOf(chain, name)?.coordinator : undefined
}

function logKeysBy(
  coordinators: readonly string[],
  writerOf: (origin: string) => string | undefined,
): Pick<LedgerKeys, 'keyOf' | 'cosigners'> {
  return {
    keyOf(origin) {
      const writer = writerOf(origin)
      const publicKey = writer === undefined ? undefined : publicKeyOf(writer)
      return publicKey === undefined ? undefined : noteKey('note', origin, publicKey)
    },
    cosigners(origin) {
      const network = readLogOrigin(origin)?.network ?? ''
      const writer = writerOf(origin)
      return coordinators.flatMap((peerId) => {
        const key = peerId === writer ? undefined : cosignerKey(network, peerId)
        return key === undefined ? [] : [key]
      })
    },
  }
}
