import type { z } from 'zod'
import { ADMIN_ROUTES, type AdminClient } from '../src/bridge/admin-client.js'
import { EdgeCoderError } from '../src/core/errors.js'
import type { PolicyOutlook } from '../src/node/policy-forecast.js'

type Workers = z.output<typeof ADMIN_ROUTES.coordinatorWorkers.response>['workers']
type Tasks = z.output<typeof ADMIN_ROUTES.coordinatorQueue.response>['tasks']

/** What a running coordinator says of those that a message would cut off or drain. */
export interface Touched {
  /** Peer id of the coordinator that was asked. */
  readonly asked: string
  readonly workers: readonly Pick<Workers[number], 'peerId' | 'agentId' | 'slots' | 'free'>[]
  /** Leases that they hold; their tasks are done by others. */
  readonly leases: readonly Pick<Tasks[number], 'id' | 'account' | 'kind' | 'state' | 'worker'>[]
  /** Leases that all workers hold. */
  readonly leasesInAll: number
  /** Whether those that it cuts off are connected with it now. */
  readonly connected: readonly string[]
  /** Of the open pricing window, in millionths; absent = tasks are not paid there. */
  readonly multiplier?: string
}

const MOST_TASKS = 1_000

/** A node that is no coordinator, or where nothing is paid, has none. */
export async function multiplierAt(client: AdminClient, signal: AbortSignal): Promise<bigint | undefined> {
  const prices = await unlessNotHere(client.call(ADMIN_ROUTES.economyPrices, { signal }))
  return prices === undefined ? undefined : BigInt(prices.multiplier)
}

/** @returns undefined when the node is no coordinator */
export async function touchedAt(
  client: AdminClient,
  { cut, drained }: PolicyOutlook,
  multiplier: bigint | undefined,
  signal: AbortSignal,
): Promise<Touched | undefined> {
  const { peerId } = await client.call(ADMIN_ROUTES.status, { signal })
  const attached = await unlessNotHere(client.call(ADMIN_ROUTES.coordinatorWorkers, { signal }))
  if (attached === undefined) return undefined
  const query = { limit: MOST_TASKS }
  const [{ tasks }, { peers }] = await Promise.all([
    client.call(ADMIN_ROUTES.coordinatorQueue, { query, signal }),
    client.call(ADMIN_ROUTES.coordinatorPeers, { signal }),
  ])
  const gone = new Set([...cut, ...drained].map(({ peer }) => peer))
  return {
    asked: peerId,
    workers: attached.workers
      .filter((worker) => gone.has(worker.peerId))
      .map(({ peerId: worker, agentId, slots, free }) => ({ peerId: worker, agentId, slots, free })),
    leases: tasks
      .filter(({ worker }) => worker !== undefined && gone.has(worker))
      .map(({ id, account, kind, state, worker }) => ({
        id,
        account,
        kind,
        state,
        ...(worker && { worker }),
      })),
    leasesInAll: attached.workers.reduce((sum, { slots, free }) => sum + slots - free, 0),
    connected: peers.map((peer) => peer.peerId).filter((peer) => gone.has(peer)),
    ...(multiplier === undefined ? {} : { multiplier: String(multiplier) }),
  }
}

/** @returns undefined when the node has not got the role that would answer */
async function unlessNotHere<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer
  } catch (error) {
    if (error instanceof EdgeCoderError && error.code === 'not-found') return undefined
    throw error
  }
}
