import { EdgeCoderError } from '../../../src/core/errors.js'
import { isRefusal } from '../../../src/core/refusal.js'
import { createLogCommitter, type LogCommitter } from '../../../src/roles/ledger/log-committer.js'
import { flagWrite, readFlag } from '../../../src/roles/ledger/log-flag.js'
import { logKeys } from '../../../src/roles/ledger/log-keys.js'
import type { LogWriter, Wish } from '../../../src/roles/ledger/log-writer.js'
import type { LogName } from '../../../src/roles/replication/log-name.js'
import type { Replication } from '../../../src/roles/replication/replication.js'
import { createDice, type Dice } from '../dice.js'
import type { Ports, Runnable } from '../sim-process.js'
import { EntryMaker, simEvidence } from './entries.js'
import { beginLog, openWritten } from './successor.js'
import {
  isSealed,
  type LedgerWorld,
  originOf,
  originOfPeer,
  ownPrefix,
  replicate,
  writtenBy,
} from './world.js'

/** Before what a full disk prevented is tried again. */
const START_AGAIN_MS = 1_000
/** How often is looked whether policy says something new. */
const LOOK_MS = 300
/** Entries that are written in a log that was just begun, though all is quiet already. */
const FIRST_ENTRIES = 4

/** One log that a coordinator writes. */
interface Written {
  readonly name: LogName
  readonly writer: LogWriter
  readonly maker: EntryMaker
  readonly committer: LogCommitter
}

/** A coordinator that writes its logs by the rules. */
export class HonestLedger implements Runnable {
  replication: Replication | undefined
  readonly #ports: Ports
  readonly #world: LedgerWorld
  readonly #dice: Dice
  readonly #written = new Map<string, Written>()
  #writing: Promise<void> = Promise.resolve()
  #known = 0
  #beginning = false
  #stopped = false

  constructor(ports: Ports, world: LedgerWorld) {
    this.#ports = ports
    this.#world = world
    this.#dice = createDice(ports.random)
  }

  writerOf(origin: string): LogWriter | undefined {
    return this.#written.get(origin)?.writer
  }

  /** It writes its own home's log: it serves. */
  get isOpen(): boolean {
    return this.writerOf(originOfPeer(this.#ports.signer.peerId)) !== undefined
  }

  async start(): Promise<void> {
    const flag = await readFlag(this.#ports.store, this.#keys)
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
    const keys = this.#keys
    this.#stopped = true
    await this.#writing
    const found: string[] = []
    for await (const [key] of store.range(keys.all)) found.push(key)
    const dels = found.map((key) => ({ type: 'del' as const, key }))
    await store.commit([...dels, flagWrite(keys, 'unconfirmed')])
  }

  get #keys() {
    const { peerId } = this.#ports.signer
    return logKeys(ownPrefix(peerId, originOfPeer(peerId)))
  }

  async #serve(): Promise<void> {
    const { signer } = this.#ports
    for (const name of writtenBy(this.#world, signer.peerId)) {
      const writer = await openWritten(this.#ports, name)
      if (writer !== undefined) this.#write(name, writer)
    }
    const own = [...this.#written.values()].map(({ writer }) => writer)
    this.replication = replicate(this.#ports, this.#world, own, { prefix: 'ledger|r' })
    await this.replication.start()
    this.#again()
    this.#look()
  }

  #write(name: LogName, writer: LogWriter): void {
    const { signer, random } = this.#ports
    const maker = new EntryMaker({ home: name.home, coordinator: signer.peerId }, this.#dice, random.id())
    const committer = createLogCommitter(writer, this.#ports.store)
    this.#written.set(originOf(name), { name, writer, maker, committer })
  }

  /** The own log is filled from the others until none of them has more. */
  async #fill(): Promise<void> {
    const replication = replicate(this.#ports, this.#world, [], { prefix: 'ledger|r' })
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
      this.#written.clear()
      this.#ports.clock.after(START_AGAIN_MS, () => {
        if (!this.#stopped) void this.#serveFilled()
      })
    }
  }

  /** Policy may say more than it did, and a log may be there to be begun. */
  #look(): void {
    if (this.#stopped) return
    const known = this.#world.logs(this.#ports.signer.peerId).length
    if (known !== this.#known) this.replication?.policyChanged()
    this.#known = known
    if (!this.#beginning) {
      this.#beginning = true
      void this.#begin().finally(() => {
        this.#beginning = false
      })
    }
    this.#ports.clock.after(LOOK_MS, () => this.#look())
  }

  async #begin(): Promise<void> {
    const { replication } = this
    if (replication === undefined) return
    for (const name of writtenBy(this.#world, this.#ports.signer.peerId)) {
      const cut = replication.cut(originOf(name))
      if (isRefusal(cut) || this.#written.has(originOf(name))) continue
      try {
        const writer = await beginLog(this.#ports, { name, cut, library: replication.library })
        if (writer === undefined || this.#stopped) return
        this.#write(name, writer)
        await replication.adopt(writer)
        await this.#append(originOf(name), FIRST_ENTRIES)
      } catch (cause) {
        // Its disk is full: once more at the next look, unless it was begun.
        if (!(cause instanceof EdgeCoderError)) throw cause
      }
    }
  }

  #again(): void {
    const waitMs = this.#dice.whole(50, 700)
    this.#ports.clock.after(waitMs, () => {
      if (this.#stopped || !this.#world.busy()) return
      const origin = this.#dice.of([...this.#written.keys()])
      this.#writing = this.#append(origin, this.#dice.whole(1, 5)).finally(() => this.#again())
    })
  }

  async #append(origin: string, entries: number): Promise<void> {
    const written = this.#written.get(origin)
    if (written === undefined || isSealed(this.#world, this.#ports.signer.peerId, written.name)) return
    const { writer, maker, committer } = written
    const evidence = simEvidence()
    for (let left = entries; left > 0; left--) {
      const entry = maker.next(writer.state)
      const proven = await evidence.prove(entry)
      if (isRefusal(proven) || this.#stopped) return
      const said = proven(writer.state)
      writer.append({ kind: entry.kind, entry, evidence: said } as Wish)
    }
    try {
      await committer.settle()
    } catch (cause) {
      if (!(cause instanceof EdgeCoderError)) throw cause
    }
    this.replication?.grown()
  }
}
