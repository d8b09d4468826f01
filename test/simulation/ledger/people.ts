import { EdgeCoderError } from '../../../src/core/errors.js'
import { apply } from '../../../src/core/ledger/apply.js'
import { isRefusal } from '../../../src/core/refusal.js'
import type { Link, Network, PeerAddress } from '../../../src/ports/network.js'
import { AuditState } from '../../../src/roles/ledger/audit-state.js'
import { checkEntries, factsOf } from '../../../src/roles/ledger/entry-check.js'
import { createLogCommitter } from '../../../src/roles/ledger/log-committer.js'
import { flagWrite, readFlag } from '../../../src/roles/ledger/log-flag.js'
import { logKeys } from '../../../src/roles/ledger/log-keys.js'
import { type LogWriter, openLogWriter, type Wish } from '../../../src/roles/ledger/log-writer.js'
import { createReplication } from '../../../src/roles/replication/create-replication.js'
import type { LogName } from '../../../src/roles/replication/log-name.js'
import type {
  OwnLog,
  Replication,
  ReplicationComponents,
} from '../../../src/roles/replication/replication.js'
import { logOrigin } from '../../../src/wire/checkpoint.js'
import { encodeEntry } from '../../../src/wire/ledger/entry.js'
import { noteKey } from '../../../src/wire/note-key.js'
import { sha256Tree } from '../../../src/wire/tree-hash.js'
import { createDice, type Dice } from '../dice.js'
import type { Ports, Runnable } from '../sim-process.js'
import { EntryMaker, LEDGER_NETWORK, type Lie, simEvidence } from './entries.js'
import { RawLog } from './raw-log.js'

export const OWN_PREFIX = 'ledger|own'
/** Before what a full disk prevented is tried again. */
const START_AGAIN_MS = 1_000

/** What all coordinators of a run are told. */
export interface LedgerWorld {
  readonly coordinators: () => readonly PeerAddress[]
  /** While it is true entries are written. */
  readonly busy: () => boolean
  readonly quorum?: (coordinators: number) => number
  readonly openMirror?: ReplicationComponents['openMirror']
  /** Does this coordinator know by policy that the home of this log was handed over? */
  readonly sealed?: (at: string, home: string) => boolean
  /** Coordinators that cosign on all the same. */
  readonly deaf?: boolean
  final(at: string, origin: string, note: Uint8Array): void
}

export function originOfPeer(peerId: string): string {
  return logOrigin(LEDGER_NETWORK, peerId, 1)
}

function logsOf(world: LedgerWorld): readonly LogName[] {
  return world.coordinators().map(({ peerId }) => ({ home: peerId, epoch: 1, coordinator: peerId }))
}

function replicate(
  ports: Ports,
  world: LedgerWorld,
  own: OwnLog | undefined,
  prefix: string,
  network: Network = ports.network,
): Replication {
  const { peerId } = ports.signer
  const { openMirror, quorum } = world
  const more = openMirror === undefined ? {} : { openMirror }
  const replication = createReplication(
    { ...ports, network, evidence: simEvidence(), ...more },
    {
      networkId: LEDGER_NETWORK,
      prefix,
      own: own === undefined ? [] : [own],
      prefixOf: (origin) => (origin === originOfPeer(peerId) ? OWN_PREFIX : undefined),
      coordinators: world.coordinators,
      logs: () => logsOf(world),
      ...(quorum === undefined ? {} : { quorum }),
      sealed: ({ home }) => world.deaf !== true && (world.sealed?.(peerId, home) ?? false),
    },
  )
  replication.onFinal((origin) => {
    const note = replication.finalNote(origin)
    if (note !== undefined) world.final(peerId, origin, note)
  })
  return replication
}

/** A coordinator that writes its log by the rules. */
export class HonestLedger implements Runnable {
  replication: Replication | undefined
  writer: LogWriter | undefined
  readonly #ports: Ports
  readonly #world: LedgerWorld
  readonly #dice: Dice
  readonly #maker: EntryMaker
  #writing: Promise<void> = Promise.resolve()
  #stopped = false

  constructor(ports: Ports, world: LedgerWorld) {
    this.#ports = ports
    this.#world = world
    this.#dice = createDice(ports.random)
    this.#maker = new EntryMaker(ports.signer.peerId, this.#dice, ports.random.id())
  }

  async start(): Promise<void> {
    const flag = await readFlag(this.#ports.store, logKeys(OWN_PREFIX))
    if (flag === undefined) await this.#serve()
    else await this.#fill()
  }

  async stop(signal: AbortSignal): Promise<void> {
    this.#stopped = true
    await this.replication?.stop(signal)
  }

  /** As after a restore from the oldest backup that there can be: nothing of the own log is left. */
  async forget(): Promise<void> {
    const { store } = this.#ports
    const keys = logKeys(OWN_PREFIX)
    this.#stopped = true
    await this.#writing
    const found: string[] = []
    for await (const [key] of store.range(keys.all)) found.push(key)
    const dels = found.map((key) => ({ type: 'del' as const, key }))
    await store.commit([...dels, flagWrite(keys, 'unconfirmed')])
  }

  async #serve(): Promise<void> {
    const { store, signer, clock, metrics } = this.#ports
    const init = { origin: originOfPeer(signer.peerId), prefix: OWN_PREFIX }
    this.writer = await openLogWriter({ store, signer, clock, metrics }, init)
    if (this.writer.closed !== undefined && this.writer.head !== undefined) {
      await this.writer.confirm(this.writer.head)
    } else if (this.writer.closed !== undefined) {
      await this.writer.confirm({ size: 0, root: sha256Tree.empty })
    }
    this.replication = replicate(this.#ports, this.#world, this.writer, 'ledger|r')
    await this.replication.start()
    this.#again()
  }

  /** The own log is filled from the others until none of them has more. */
  async #fill(): Promise<void> {
    const replication = replicate(this.#ports, this.#world, undefined, 'ledger|r')
    this.replication = replication
    await replication.start()
    const others = this.#world.coordinators().length - 1
    const timer = this.#ports.clock.every(500, () => {
      const origin = originOfPeer(this.#ports.signer.peerId)
      if (replication.confirmedBy(origin).length < others || this.#stopped) return
      timer.cancel()
      void replication.stop(new AbortController().signal).then(() => this.#serveFilled())
    })
  }

  /** Its disk may be full just then. */
  async #serveFilled(): Promise<void> {
    try {
      await this.#serve()
    } catch (cause) {
      if (!(cause instanceof EdgeCoderError)) throw cause
      this.#ports.clock.after(START_AGAIN_MS, () => {
        if (!this.#stopped) void this.#serveFilled()
      })
    }
  }

  #again(): void {
    const waitMs = this.#dice.whole(50, 700)
    this.#ports.clock.after(waitMs, () => {
      if (this.#stopped || !this.#world.busy()) return
      this.#writing = this.#write().finally(() => this.#again())
    })
  }

  #isSealed(): boolean {
    const { peerId } = this.#ports.signer
    return this.#world.sealed?.(peerId, peerId) ?? false
  }

  async #write(): Promise<void> {
    const { writer, replication } = this
    if (writer === undefined || this.#isSealed()) return
    const evidence = simEvidence()
    for (let left = this.#dice.whole(1, 5); left > 0; left--) {
      const entry = this.#maker.next(writer.state)
      const proven = await evidence.prove(entry)
      if (isRefusal(proven) || this.#stopped) return
      const said = proven(writer.state)
      writer.append({ kind: entry.kind, entry, evidence: said } as Wish)
    }
    try {
      await createLogCommitter(writer, this.#ports.store).settle()
    } catch (cause) {
      if (!(cause instanceof EdgeCoderError)) throw cause
    }
    replication?.grown()
  }
}

/**
 * What is wrong with a coordinator: it signs an entry that may not stand, or two histories for two groups.
 */
export type Wrong =
  | { readonly lie: Lie; readonly atMs: number }
  | { readonly lie: 'fork'; readonly atMs: number; readonly group: readonly string[] }

/** A coordinator that lies in its own log, and else does what is expected of it. */
export class LyingLedger implements Runnable {
  readonly logs: RawLog[] = []
  lied = false
  readonly #ports: Ports
  readonly #world: LedgerWorld
  readonly #wrong: Wrong
  readonly #dice: Dice
  readonly #states: AuditState[] = []
  readonly #makers: EntryMaker[] = []
  readonly #replications: Replication[] = []
  #stopped = false

  constructor(ports: Ports, world: LedgerWorld, wrong: Wrong) {
    this.#ports = ports
    this.#world = world
    this.#wrong = wrong
    this.#dice = createDice(ports.random)
  }

  async start(): Promise<void> {
    const { store, signer, network } = this.#ports
    const key = noteKey('note', originOfPeer(signer.peerId), signer.publicKey)
    const faces = this.#wrong.lie === 'fork' ? twoFaces(network, this.#wrong.group) : [network]
    for (const [at, face] of faces.entries()) {
      const log = new RawLog(store, key, `ledger|face${at}`)
      this.logs.push(log)
      this.#states.push(new AuditState())
      this.#makers.push(new EntryMaker(signer.peerId, this.#dice, 'liar'))
      const replication = replicate(this.#ports, this.#world, log, `ledger|r${at}`, face)
      this.#replications.push(replication)
      await replication.start()
    }
    this.#again()
  }

  async stop(signal: AbortSignal): Promise<void> {
    this.#stopped = true
    for (const each of this.#replications) await each.stop(signal)
  }

  #again(): void {
    this.#ports.clock.after(this.#dice.whole(50, 400), () => {
      const due = this.#ports.clock.monotonicMs() >= this.#wrong.atMs
      if (this.#stopped || (!this.#world.busy() && this.lied)) return
      void this.#write(due).finally(() => this.#again())
    })
  }

  async #write(due: boolean): Promise<void> {
    const { signer } = this.#ports
    const [state, maker, log] = [this.#states[0], this.#makers[0], this.logs[0]]
    if (state === undefined || maker === undefined || log === undefined) return
    const ready = (state.get('balance', 'user') ?? 0n) > 100_000n
    if (due && ready && !this.lied && this.#wrong.lie !== 'fork') {
      const lies = maker.lie(this.#wrong.lie, state)
      await this.#untilDone(() => log.write(lies, signer))
      this.lied = true
    } else if (!this.lied || this.#wrong.lie !== 'fork') {
      const entry = maker.next(state)
      await absorb(state, log.key, entry)
      for (const each of this.logs) await this.#untilDone(() => each.write([entry], signer))
    }
    if (due && ready && this.#wrong.lie === 'fork') {
      for (const each of this.logs) {
        const entry = maker.next(state)
        await this.#untilDone(() => each.write([entry], signer))
      }
      this.lied = true
    }
    for (const each of this.#replications) each.grown()
  }

  /** What it has made up its mind to write is written, full disk or not, or its logs would come apart. */
  async #untilDone(write: () => Promise<void>): Promise<void> {
    for (;;) {
      try {
        return await write()
      } catch (cause) {
        if (!(cause instanceof EdgeCoderError)) throw cause
      }
      const waited = Promise.withResolvers<void>()
      this.#ports.clock.after(START_AGAIN_MS, waited.resolve)
      await waited.promise
    }
  }
}

async function absorb(
  state: AuditState,
  key: RawLog['key'],
  entry: Parameters<typeof encodeEntry>[0],
): Promise<void> {
  const [checked] = await checkEntries([encodeEntry(entry)], simEvidence())
  if (checked === undefined || isRefusal(checked)) throw new Error('a liar means to tell the truth first')
  const facts = factsOf(checked, state.get('log', '')?.size ?? 0, { view: state, key })
  const outcome = isRefusal(facts) ? facts : apply(state, facts)
  if (isRefusal(outcome) || outcome.outcome === 'existed') throw new Error('the truth was refused')
  state.absorb(outcome.changes)
}

/** One network as two: each sees only its own group of peers. Nothing is gossiped. */
function twoFaces(network: Network, group: readonly string[]): readonly [Network, Network] {
  const accepts = new Map<string, ((link: Link) => void)[]>()
  const side = (peerId: string): number => (group.includes(peerId) ? 0 : 1)
  const face = (mine: number): Network =>
    new Proxy(network, {
      get(target, name) {
        if (name === 'publish') return async () => {}
        if (name === 'dial') {
          return async (...args: Parameters<Network['dial']>) => {
            if (side(args[0].peerId) === mine) return target.dial(...args)
            throw new EdgeCoderError('unreachable', 'of the other face')
          }
        }
        if (name === 'serve') {
          return (...[protocol, options, accept]: Parameters<Network['serve']>) => {
            const both = accepts.get(protocol) ?? []
            both[mine] = accept
            accepts.set(protocol, both)
            return target.serve(protocol, options, (link) => both[side(link.peerId)]?.(link))
          }
        }
        const value: unknown = Reflect.get(target, name, target)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
  return [face(0), face(1)]
}
