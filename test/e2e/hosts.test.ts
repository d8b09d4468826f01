import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ADMIN_ROUTES, TASK_ROUTES } from '../../src/bridge/admin-client.js'
import { runCli } from '../helpers/cli.js'
import { createHeldTasks, type HeldTasks } from '../helpers/held-tasks.js'
import { HostedMesh } from '../helpers/hosted-mesh.js'
import { hostLimits } from '../helpers/hosts.js'
import { reachableAround } from '../helpers/listening.js'
import type { NodeProcess } from '../helpers/process-mesh.js'
import { SignedNetwork } from '../helpers/signed-network.js'
import { until } from '../helpers/until.js'

const GRANTED = 20_000_000n
const HOME = 'coordinator'
const ALL = [HOME, 'gateway', 'worker-1', 'worker-2', 'worker-3']
/** Who the workers work for. */
const LENDERS = { 'worker-1': 'ann', 'worker-2': 'bob', 'worker-3': 'cay' } as const
/** Of what takes a second or two, on a machine that is busy. */
const WITHIN_MS = 90_000
const REASSIGNED_MS = 15_000
const LOST_PERCENT = 5
const SLOW_KBIT_PER_S = 64
const LONG_BYTES = 8_000

const limits = hostLimits()
for (const [what, why] of Object.entries(limits)) console.warn(`not tested here: ${what}, for ${why}`)
const because = (limit: string | undefined) => (limit === undefined ? '' : ` (skipped: ${limit})`)

let held: HeldTasks
let hosted: HostedMesh
let network: SignedNetwork

describe.skipIf(limits.hosts !== undefined)(
  `a mesh of five hosts, a namespace each${because(limits.hosts)}`,
  { timeout: 180_000 },
  () => {
    beforeAll(async () => {
      held = await createHeldTasks({ coordinators: 1, workers: 3, gateways: 1 })
      network = await SignedNetwork.of(held.mesh, [], { carried: 'mesh' })
      hosted = await HostedMesh.create(held)
      await network.openAccount('local')
      for (const [worker, lender] of Object.entries(LENDERS)) {
        await network.openAccount(lender, 'contributor')
        await network.enrol(worker, lender)
      }
      await network.grant('local', GRANTED, 'first')
      await network.beginAt(HOME)
      await held.mesh.start(ALL)
      await network.funded('local')
    }, 240_000)

    afterAll(async () => {
      await hosted?.close()
      await held?.close()
    })

    it('is reached by others at libp2p and the bridge alone, and the bridge asks who one is', async () => {
      const inside = ALL.flatMap((name) => {
        const { pid } = held.mesh.get(name)
        return reachableAround(pid).map((local) => ({ name, local, port: Number(local.split(':').at(-1)) }))
      })
      const open = inside.filter(({ local }) => !local.startsWith('127.0.0.1:'))
      const nodes = [held.mesh.get(HOME).node, held.gateway.node]
      const libp2p = nodes.map(({ name, libp2pPort }) => `${name}:${libp2pPort}`)
      const bridge = `gateway:${held.gateway.node.bridgePort}`
      const found = open.map(({ name, port }) => `${name}:${port}`)
      expect(found.toSorted()).toEqual([...libp2p, bridge].toSorted())

      const addressOf = (place: string) => place.replace(/^[^:]+/, (name) => hosted.hosts.address(name))
      const all = new Set(inside.map(({ name, port }) => addressOf(`${name}:${port}`)))
      const answers = await hosted.knock('worker-2', [...all])
      const heard = Object.entries(answers).filter(([, answer]) => answer !== 'closed')
      expect(Object.fromEntries(heard)).toEqual({
        ...Object.fromEntries(libp2p.map((place) => [addressOf(place), 'open'])),
        [addressOf(bridge)]: '401',
      })
      // Each node has an admin API, and the workers an engine: on loopback, where nobody got to.
      expect(all.size).toBeGreaterThanOrEqual(heard.length + ALL.length)
    })

    it('does once, and pays once, what a host had whose cable was pulled', async () => {
      const before = await balances()
      await held.submit('silent')
      const silent = await held.running('silent')
      const pulledMs = Date.now()
      hosted.hosts.unplug(silent.node.name)
      await until('another attempt', () => held.begun('silent') === 2, WITHIN_MS)
      expect(Date.now() - pulledMs).toBeLessThanOrEqual(REASSIGNED_MS)
      held.letGo('silent')
      await held.expectDoneOnce('silent', 2)
      const other = held.mesh.byPeer((await held.task('silent')).worker?.peerId)
      expect(other).not.toBe(silent)

      hosted.hosts.plug(silent.node.name)
      await silent.statusWhere('have nothing to do', ({ worker }) => worker?.running.length === 0)
      await silent.statusWhere('be ready again', ({ ready }) => ready)
      await paidOnce(before, other)
      expect(held.begun('silent')).toBe(2)
    })

    // Three workers fall silent at once: the coordinator takes it that it is the one who was cut off.
    it('finishes what was sent before its coordinator was cut off from all, and nothing twice', async () => {
      const before = await balances()
      const coordinator = held.mesh.get(HOME)
      await held.submit('cut')
      const worker = await held.running('cut')
      hosted.hosts.unplug(HOME)
      held.letGo('cut')
      await held.gateway.statusWhere('know that it is cut off', ({ ready }) => !ready)
      await expect(held.submit('later')).rejects.toMatchObject({ code: 'no-coordinator' })

      hosted.hosts.plug(HOME)
      await held.expectDoneOnce('cut', 1)
      await held.standsAt(coordinator, 'cut', 'done')
      await paidOnce(before, worker)
      expect(held.begun('cut')).toBe(1)
      await held.mesh.start(ALL)
      held.letGo('later')
      await held.submit('later')
      await held.expectDoneOnce('later', 1)
    })

    it.skipIf(limits.loss !== undefined)(
      `hears all that is published, and finishes its tasks, though packets get lost${because(limits.loss)}`,
      async () => {
        hosted.hosts.lose(LOST_PERCENT)
        await network.openAccount('newcomer')
        const { dataDir } = held.gateway.node
        const words = ['--json', '--node', dataDir, 'admin', 'policy', 'publish', network.files.at(-1) ?? '']
        expect((await runCli(words)).code).toBe(0)
        await until(
          'the message to be everywhere',
          async () => (await Promise.all(ALL.map(newest))).every((at) => at === network.sequence),
          WITHIN_MS,
        )
        const ids = Array.from({ length: 10 }, (_, index) => `lossy-${index}`)
        held.letGo('lossy-')
        await Promise.all(ids.map((id) => held.submit(id)))
        for (const id of ids) await held.expectDoneOnce(id)
        expect(hosted.hosts.lost()).toBeGreaterThan(0)
        hosted.hosts.loseNothing()
      },
    )

    it.skipIf(limits.slow !== undefined)(
      `finishes a long prompt over a slow line, which takes its time${because(limits.slow)}`,
      async () => {
        hosted.hosts.slow('gateway', SLOW_KBIT_PER_S)
        const sentMs = Date.now()
        const messages = [{ role: 'user' as const, content: `slow ${'x'.repeat(LONG_BYTES)}` }]
        const body = { kind: 'chat' as const, id: 'slow', messages }
        await held.gateway.client().call(TASK_ROUTES.submit, { body })
        await until('it to be done', async () => (await held.task('slow')).state === 'done', WITHIN_MS)
        expect(Date.now() - sentMs).toBeGreaterThan((LONG_BYTES * 8) / SLOW_KBIT_PER_S)
      },
    )
  },
)

async function newest(name: string): Promise<number | undefined> {
  return (await held.mesh.get(name).client().call(ADMIN_ROUTES.policyStatus)).newest?.sequence
}

type Account = 'local' | (typeof LENDERS)[keyof typeof LENDERS]
type Balances = Readonly<Record<Account, bigint>>

/** Once nothing is reserved for the user any more. */
async function balances(): Promise<Balances> {
  const client = held.mesh.get(HOME).client()
  const of = (account: Account) => client.call(ADMIN_ROUTES.wallet, { params: { account } })
  return until(
    'all to be settled',
    async () => {
      const { available, held: reserved } = await of('local')
      if (reserved !== '0') return undefined
      const [ann, bob, cay] = await Promise.all([of('ann'), of('bob'), of('cay')])
      return {
        local: BigInt(available),
        ann: BigInt(ann.available),
        bob: BigInt(bob.available),
        cay: BigInt(cay.available),
      }
    },
    WITHIN_MS,
  )
}

/** Resolves when this worker's owner has a share of what the user paid, and checks that no other has. */
async function paidOnce(before: Balances, { node: { name } }: NodeProcess): Promise<void> {
  const owner = LENDERS[name as keyof typeof LENDERS]
  const after = await until(
    'the task to be paid',
    async () => {
      const now = await balances()
      return now[owner] > before[owner] && now
    },
    WITHIN_MS,
  )
  const cost = before.local - after.local
  const share = cost - (cost * 150n) / 10_000n - (cost * 500n) / 10_000n
  expect(after).toEqual({ ...before, local: before.local - cost, [owner]: before[owner] + share })
}
