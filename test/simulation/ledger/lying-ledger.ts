import { EdgeCoderError } from '../../../src/core/errors.js'
import { apply } from '../../../src/core/ledger/apply.js'
import { isRefusal } from '../../../src/core/refusal.js'
import type { Link, Network } from '../../../src/ports/network.js'
import { AuditState } from '../../../src/roles/ledger/audit-state.js'
import { checkEntries, factsOf } from '../../../src/roles/ledger/entry-check.js'
import type { Replication } from '../../../src/roles/replication/replication.js'
import { encodeEntry } from '../../../src/wire/ledger/entry.js'
import { noteKey } from '../../../src/wire/note-key.js'
import { createDice, type Dice } from '../dice.js'
import type { Ports, Runnable } from '../sim-process.js'
import { EntryMaker, type Lie, simEvidence } from './entries.js'
import { RawLog } from './raw-log.js'
import { type LedgerWorld, originOfPeer, replicate } from './world.js'

/** Before what a full disk prevented is tried again. */
const START_AGAIN_MS = 1_000

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
      this.#makers.push(
        new EntryMaker({ home: signer.peerId, coordinator: signer.peerId }, this.#dice, 'liar'),
      )
      const init = { prefix: `ledger|r${at}`, network: face }
      const replication = replicate(this.#ports, this.#world, [log], init)
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
