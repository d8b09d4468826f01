import { isRefusal } from '../../../src/core/refusal.js'
import { earlierIn } from '../../../src/roles/ledger/continued-mirror.js'
import { createLogCommitter } from '../../../src/roles/ledger/log-committer.js'
import { continueLog, continuingGenesis } from '../../../src/roles/ledger/log-continuation.js'
import { logKeys } from '../../../src/roles/ledger/log-keys.js'
import type { LogLibrary } from '../../../src/roles/ledger/log-library.js'
import type { LogCut } from '../../../src/roles/ledger/log-line.js'
import { type LogWriter, openLogWriter, type Wish } from '../../../src/roles/ledger/log-writer.js'
import type { LogName } from '../../../src/roles/replication/log-name.js'
import { sha256Tree } from '../../../src/wire/tree-hash.js'
import type { Ports } from '../sim-process.js'
import { FIRST_POLICY, LEDGER_NETWORK, simEvidence, TIME_MS } from './entries.js'
import { originOf, ownPrefix } from './world.js'

/** Opens a log that is written here; undefined = it is of a later epoch, and was not begun. */
export async function openWritten(ports: Ports, name: LogName): Promise<LogWriter | undefined> {
  const { store, signer, clock, metrics } = ports
  const init = placeOf(ports, name)
  const begun = (await store.get(logKeys(init.prefix).head)) !== undefined
  if (name.epoch > 1 && !begun) return undefined
  const writer = await openLogWriter({ store, signer, clock, metrics }, init)
  if (writer.closed !== undefined) await writer.confirm(writer.head ?? { size: 0, root: sha256Tree.empty })
  return writer
}

/** Begins the log of a later epoch where the one before was cut. @returns undefined = it cannot be yet */
export async function beginLog(
  ports: Ports,
  { name, cut, library }: { readonly name: LogName; readonly cut: LogCut; readonly library: LogLibrary },
): Promise<LogWriter | undefined> {
  const { store, signer, clock, metrics } = ports
  const init = placeOf(ports, name)
  const evidence = simEvidence()
  const parts = { store, evidence, earlier: earlierIn(library) }
  const refused = await continueLog(parts, { cut, prefix: init.prefix })
  if (refused !== undefined) return undefined
  const writer = await openLogWriter({ store, signer, clock, metrics }, init)
  if (writer.head !== undefined) return writer
  const named = { ...name, network: LEDGER_NETWORK }
  const entry = continuingGenesis(writer.state, named, { cut, first: FIRST_POLICY, timeMs: TIME_MS })
  const proven = await evidence.prove(entry)
  if (isRefusal(proven)) throw new Error(proven.detail)
  const outcome = writer.append({ kind: 'genesis', entry, evidence: proven(writer.state) } as Wish)
  if (isRefusal(outcome)) throw new Error(`a log cannot be begun: ${outcome.code}: ${outcome.detail}`)
  await createLogCommitter(writer, store).settle()
  return writer
}

function placeOf({ signer }: Ports, name: LogName) {
  const origin = originOf(name)
  return { origin, prefix: ownPrefix(signer.peerId, origin) }
}
