import type { Log } from '../../src/ports/log.js'
import type { Store } from '../../src/ports/store.js'
import { createLogCommitter } from '../../src/roles/ledger/log-committer.js'
import { type LogWriter, openLogWriter, type Wish } from '../../src/roles/ledger/log-writer.js'
import { createReplication } from '../../src/roles/replication/create-replication.js'
import type { Replication } from '../../src/roles/replication/replication.js'
import { createSeededRandom } from '../../src/services/clock/seeded-random.js'
import { createVirtualClock } from '../../src/services/clock/virtual-clock.js'
import { createMemoryMesh } from '../../src/services/network/memory-network.js'
import { logOrigin } from '../../src/wire/checkpoint.js'
import { noMetrics, quietLog } from '../contract/network/adapters.js'
import { createDice } from '../simulation/dice.js'
import { EntryMaker, LEDGER_NETWORK, simEvidence } from '../simulation/ledger/entries.js'
import { memoryAudit } from './memory-audit.js'
import { type Says, saying } from './saying.js'
import { seededSigner } from './signed-ledger.js'

export const OWN = 'own'
const START_MS = 1_800_000_000_000

let lives = 0

interface ReplicatingOptions {
  readonly snapshotLag?: number
  /** What is said in the place of what is meant. */
  readonly says?: Says
  readonly log?: Log
}

/** What a log may say next; another call never says the same. */
export async function* wishesOf(home: string, log: LogWriter): AsyncGenerator<Wish, never> {
  const maker = new EntryMaker(
    { home, coordinator: home },
    createDice(createSeededRandom(1)),
    `life-${lives++}`,
  )
  for (;;) {
    const entry = maker.next(log.state)
    const proven = await simEvidence().prove(entry)
    if ('refused' in proven) throw new Error(proven.detail)
    yield { kind: entry.kind, entry, evidence: proven(log.state) } as Wish
  }
}

/** Writes entries until there are so many, each durable before the next. */
export async function fillLog(home: string, log: LogWriter, store: Store, size: number): Promise<void> {
  const committer = createLogCommitter(log, store)
  const wishes = wishesOf(home, log)
  while (log.size < size) {
    const outcome = log.append((await wishes.next()).value)
    if ('refused' in outcome) throw new Error(outcome.detail)
    await committer.settle()
  }
}

/** Coordinators in one process, on a clock that moves when told to, by the numbers of their seeded keys. */
export class ReplicatingMesh {
  readonly clock = createVirtualClock(START_MS)
  readonly #random = createSeededRandom(1)
  readonly #mesh = createMemoryMesh({ clock: this.clock, random: this.#random })
  readonly #all: readonly { readonly peerId: string; readonly addresses: readonly string[] }[]

  constructor(numbers: readonly number[]) {
    this.#all = numbers.map((each) => ({ peerId: seededSigner(each).peerId, addresses: [] }))
  }

  originOf(number: number): string {
    return logOrigin(LEDGER_NETWORK, seededSigner(number).peerId, 1)
  }

  openOwn(number: number, store: Store): Promise<LogWriter> {
    const parts = { store, signer: seededSigner(number), clock: this.clock, metrics: noMetrics }
    return openLogWriter(parts, { origin: this.originOf(number), prefix: OWN })
  }

  /** @param own undefined = the own log is filled from the others */
  async replicate(
    number: number,
    store: Store,
    own: LogWriter | undefined,
    { snapshotLag, says, log = quietLog }: ReplicatingOptions = {},
  ): Promise<Replication> {
    const signer = seededSigner(number)
    const plain = this.#mesh.network(signer.peerId)
    const network = says === undefined ? plain : saying(plain, says)
    const ports = { network, store, audit: memoryAudit(), clock: this.clock, random: this.#random, signer }
    const all = this.#all
    const replication = createReplication(
      { ...ports, log, metrics: noMetrics, evidence: simEvidence() },
      {
        networkId: LEDGER_NETWORK,
        prefix: 'others',
        own: own === undefined ? [] : [own],
        prefixOf: (origin) => (origin === this.originOf(number) ? OWN : undefined),
        coordinators: () => all,
        logs: () => all.map(({ peerId }) => ({ home: peerId, epoch: 1, coordinator: peerId })),
        ...(snapshotLag === undefined ? {} : { snapshotLag }),
      },
    )
    await replication.start()
    return replication
  }

  /** @throws Error when it does not come to hold within two minutes of virtual time */
  async until(what: string, holds: () => boolean): Promise<void> {
    if (!(await this.clock.runUntil(holds, 120_000))) throw new Error(`never happened: ${what}`)
  }
}
