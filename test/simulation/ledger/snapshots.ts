import type { Network } from '../../../src/ports/network.js'
import type { Store, StoreSnapshot } from '../../../src/ports/store.js'
import { createSeededRandom } from '../../../src/services/clock/seeded-random.js'
import type { StateRecord } from '../../../src/wire/generated/edgecoder/ledger/v1/replication_pb.js'
import { decodeRecord, encodeRecord } from '../../../src/wire/ledger/record.js'
import { RECORD_FIELDS } from '../../../src/wire/ledger/record-fields.js'
import { saying } from '../../helpers/saying.js'
import { createDice } from '../dice.js'
import type { Check, Report, SimEvent } from '../events.js'

/** Coordinators that are behind take the end of logs from each other. */
export interface SnapshotPlan {
  /** Behind by more entries, one asks for a snapshot. */
  readonly lag: number
  /** Begins long after the others. */
  readonly late: { readonly name: string; readonly atMs: number }
  /** Gives snapshots that are false; else it is as the others. */
  readonly teller: string | undefined
}

/** What came of snapshots in a run. */
export interface SnapshotCounts {
  readonly taken: number
  readonly proven: number
  readonly false: number
}

/** Has dice of its own, so that what was found by a seed before is found by it again. */
export function snapshotPlanOf(seed: number, honest: readonly string[]): SnapshotPlan | undefined {
  const dice = createDice(createSeededRandom(seed + 0.7 * 2 ** 32))
  if (!dice.chance(0.5)) return undefined
  const late = { name: dice.of(honest), atMs: dice.whole(3_000, 12_000) }
  return { lag: dice.whole(2, 30), late, teller: dice.chance(0.4) ? dice.of(honest) : undefined }
}

/** A network on which every snapshot that is given has one record changed, in a way that can be seen of none. */
export function falsifying(network: Network): Network {
  return saying(network, (body) => {
    if (body.case !== 'snapshotPiece') return body
    return { case: 'snapshotPiece', value: { ...body.value, records: falsified(body.value.records) } }
  })
}

function falsified(records: readonly StateRecord[]): StateRecord[] {
  const at = records.findIndex(({ key }) => key.startsWith('e|'))
  return records.map((record, index) => {
    const read = index === at ? decodeRecord(RECORD_FIELDS.entry, record.value) : undefined
    if (read === undefined || 'refused' in read) return record
    return {
      ...record,
      value: encodeRecord(RECORD_FIELDS.entry, { ...read.value, index: read.value.index + 1 }),
    }
  })
}

/** No false snapshot is ever taken for proven, and of the true ones none for false. */
export class SnapshotCheck implements Check {
  readonly counts = { taken: 0, proven: 0, false: 0 }
  readonly #report: Report
  readonly #isFalse: (peerId: string) => boolean

  constructor(report: Report, isFalse: (peerId: string) => boolean) {
    this.#report = report
    this.#isFalse = isFalse
  }

  see(event: SimEvent): void {
    if (event.type !== 'logged') return
    const peer = String(event.fields['peer'])
    if (event.event === 'snapshot-taken') this.counts.taken++
    if (event.event === 'snapshot-proven') {
      this.counts.proven++
      if (this.#isFalse(peer)) this.#report('what is proven is true', `${event.at} believes ${peer}`)
    }
    if (event.event === 'snapshot-false') {
      this.counts.false++
      if (!this.#isFalse(peer)) this.#report('what is true is proven', `${event.at} does not believe ${peer}`)
    }
  }
}

const START = /^(ledger\|r\|u\|)([0-9a-f]{16})\|i$/

/** A disk on which the state of a mirror looks like the one that was given, whatever its entries come to. */
export function credulous(store: Store): Store {
  const given = new Map<string, StoreSnapshot>()
  return new Proxy(store, {
    get(target, name) {
      if (name === 'commit') {
        return async (writes: Parameters<Store['commit']>[0]) => {
          await target.commit(writes)
          const [, , of] =
            writes.flatMap(({ type, key }) => (type === 'put' ? [START.exec(key)] : []))[0] ?? []
          if (of !== undefined && !given.has(of)) given.set(of, target.snapshot())
        }
      }
      if (name === 'snapshot') {
        return (): StoreSnapshot => {
          const snapshot = target.snapshot()
          return { range: (range) => seen(range, snapshot, given), close: () => snapshot.close() }
        }
      }
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

async function* seen(
  range: Parameters<Store['range']>[0],
  snapshot: StoreSnapshot,
  given: ReadonlyMap<string, StoreSnapshot>,
): ReturnType<Store['range']> {
  const mirrored = /^ledger\|r\|([0-9a-f]{16})\|s\|/.exec(range.gte)?.[1] ?? ''
  const instead = given.get(mirrored)
  if (instead === undefined) yield* snapshot.range(range)
  else {
    const there = (key: string): string => key.replace('ledger|r|', 'ledger|r|u|')
    const rows = instead.range({ gte: there(range.gte), lt: there(range.lt) })
    for await (const [key, value] of rows) yield [key.replace('ledger|r|u|', 'ledger|r|'), value]
  }
}
