import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { z } from 'zod'
import { ADMIN_ROUTES } from '../../src/bridge/admin-client.js'
import { createHeldTasks, type HeldTasks } from '../helpers/held-tasks.js'
import { SignedNetwork } from '../helpers/signed-network.js'
import { until } from '../helpers/until.js'

const HOME = 'coordinator-1'
const OTHER = 'coordinator-2'
const LONELY = 'coordinator-3'
const WITHIN_MS = 60_000

type Status = z.output<typeof ADMIN_ROUTES.ledgerStatus.response>

let held: HeldTasks

beforeAll(async () => {
  held = await createHeldTasks({ coordinators: 3, workers: 2, gateways: 1 })
  const network = await SignedNetwork.of(held.mesh)
  await network.openAccount('local')
  await network.openAccount('lender', 'contributor')
  for (const worker of ['worker-1', 'worker-2']) await network.enrol(worker, 'lender')
  await network.grant('local', 20_000_000n, 'first')
  // Gateway and workers attach to the home of the accounts, which is the only one there is at first.
  await held.mesh.start([HOME, 'gateway', 'worker-1', 'worker-2'])
  await held.mesh.start()
}, 120_000)

afterAll(() => held?.close())

function coordinator(name: string, ...args: readonly string[]) {
  return held.mesh.cli(['--node', name, '--json', 'coordinator', ...args])
}

function status(name: string): Promise<Status> {
  return held.mesh.get(name).client().call(ADMIN_ROUTES.ledgerStatus)
}

/** How much another coordinator has of the home's log. */
async function copied(name: string): Promise<number> {
  const [home, there] = await Promise.all([status(HOME), status(name)])
  return there.logs.find(({ origin }) => origin === home.origin)?.size ?? 0
}

async function levelWith(name: string): Promise<void> {
  await until(
    `${name} to have all of the home's log`,
    async () => (await copied(name)) === (await status(HOME)).entries,
    WITHIN_MS,
  )
}

function isLinked(name: string, to: string): Promise<boolean> {
  const peer = held.mesh.get(to).node.peerId
  return status(name).then(({ peers }) => peers.find(({ peerId }) => peerId === peer)?.connected === true)
}

/** Once its gateway is at the home again. */
function submit(id: string): Promise<unknown> {
  return until(`${id} to be taken`, () => held.submit(id).catch(() => false as const), WITHIN_MS)
}

async function solve(id: string): Promise<void> {
  await submit(id)
  held.letGo(id)
  await held.expectDoneOnce(id)
}

describe('isolate', { timeout: 180_000 }, () => {
  it('a coordinator: it hears nothing more and cosigns nothing, over kill -9 too; released it catches up', async () => {
    await levelWith(LONELY)
    const { peerId } = held.mesh.get(LONELY).node
    for (const name of [HOME, OTHER]) {
      const run = await coordinator(name, 'isolate', peerId, '--reason', 'forged results')
      expect([run.code, run.json()]).toMatchObject([
        0,
        { isolations: [{ peer: peerId, reason: 'forged results' }] },
      ])
    }
    await until('its links to be cut', async () => {
      const links = await Promise.all([
        isLinked(HOME, LONELY),
        isLinked(OTHER, LONELY),
        isLinked(LONELY, HOME),
      ])
      return links.every((linked) => !linked)
    })
    const before = await copied(LONELY)
    await solve('without-it')
    await until('the two that are left to make it final', async () => {
      const { entries, finalEntries } = await status(HOME)
      return entries > before && finalEntries === entries
    })
    await held.mesh.kill(HOME)
    await held.mesh.start([HOME])
    await solve('after-a-restart')
    await levelWith(OTHER)
    expect(await copied(LONELY)).toBe(before)
    expect(await isLinked(HOME, LONELY)).toBe(false)
    const reconciled = await held.mesh.cli(['--node', HOME, '--json', 'ledger', 'reconcile'])
    expect([reconciled.code, reconciled.stdout]).toEqual([1, expect.stringContaining(peerId)])

    for (const name of [HOME, OTHER]) expect((await coordinator(name, 'release', peerId)).code).toBe(0)
    await levelWith(LONELY)
    await until('all to agree', async () => {
      const run = await held.mesh.cli(['--node', HOME, '--json', 'ledger', 'reconcile'])
      return run.code === 0
    })
    const acts = await held.mesh.cli(['--node', OTHER, '--json', 'audit', 'list', '--about', peerId])
    const kinds = acts.json<{ records: readonly { kind: string }[] }>().records.map(({ kind }) => kind)
    expect(kinds).toEqual(expect.arrayContaining(['peer-isolated', 'peer-released']))
  })

  it('a worker: what it ran is done by another at once, and it is let in again by its name', async () => {
    await submit('moves')
    const first = await held.running('moves')
    const { name, peerId } = first.node
    const run = await coordinator(HOME, 'isolate', name, '--reason', 'odd answers')
    expect([run.code, run.stdout]).toEqual([0, expect.stringContaining(peerId)])
    const second = await until('another to run it', async () => {
      const now = await held.running('moves')
      return now !== first && now
    })
    expect(second.node.name).not.toBe(name)
    held.letGo('moves')
    await held.expectDoneOnce('moves')
    const attached = async () => {
      const { workers } = await held.mesh.get(HOME).client().call(ADMIN_ROUTES.coordinatorWorkers)
      return workers.some((worker) => worker.peerId === peerId && worker.liveness === 'live')
    }
    expect(await attached()).toBe(false)
    expect((await coordinator(HOME, 'status')).json()).toMatchObject({ isolated: 1 })
    expect((await coordinator(HOME, 'release', name)).json()).toEqual({ isolations: [] })
    // It is gone on with: by this worker or the other, wherever they are attached now.
    await solve('afterwards')
  })
})
