import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Standing } from '../../../../src/wire/generated/edgecoder/control/v1/gateway_pb.js'
import { Fault, type Lease } from '../../../../src/wire/generated/edgecoder/control/v1/worker_pb.js'
import { type FakeGateway, type FakeWorker, World } from './world.js'

type Action =
  | { readonly type: 'submit'; readonly tasks: number }
  | { readonly type: 'done' | 'fail' | 'decline' | 'drop' | 'progress'; readonly worker: number }
  | { readonly type: 'cancel'; readonly task: number }
  | { readonly type: 'pass'; readonly ms: number }
  | { readonly type: 'crash'; readonly afterMs: number }

const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ type: fc.constant('submit' as const), tasks: fc.integer({ min: 1, max: 4 }) }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      type: fc.constantFrom('done' as const, 'done' as const, 'fail', 'decline', 'drop', 'progress'),
      worker: fc.nat(2),
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('cancel' as const), task: fc.nat(20) }) },
  {
    weight: 4,
    arbitrary: fc.record({ type: fc.constant('pass' as const), ms: fc.constantFrom(1, 2, 3, 5, 500, 4_000) }),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('crash' as const), afterMs: fc.nat(6) }) },
)

/** What the outside was told, over all crashes. */
class Observed {
  readonly acknowledged = new Set<string>()
  readonly paid = new Map<string, bigint>()
  readonly granted = new Map<string, string>()
  readonly fences = new Map<string, bigint>()

  lease(worker: string, lease: Lease): void {
    const id = lease.header?.id ?? ''
    const key = `${id}#${lease.fence}`
    const before = this.granted.get(key)
    expect(before === undefined || before === worker, `${key} granted to two workers`).toBe(true)
    this.granted.set(key, worker)
    expect(lease.fence >= (this.fences.get(id) ?? 0n), `${key} after a larger fence`).toBe(true)
    this.fences.set(id, lease.fence)
  }

  outcome(taskId: string, fence: bigint): void {
    const before = this.paid.get(taskId)
    expect(before === undefined || before === fence, `${taskId} paid twice`).toBe(true)
    this.paid.set(taskId, fence)
  }
}

class Scene {
  readonly observed = new Observed()
  readonly world = new World({ leaseMs: 5_000 })
  readonly workers: FakeWorker[] = []
  readonly leases = new Map<FakeWorker, Lease[]>()
  gateway!: FakeGateway
  #submitted = 0

  async start(): Promise<void> {
    await this.world.start()
    this.gateway = await this.world.gateway()
    for (const agentId of ['a', 'b', 'c']) this.workers.push(await this.world.worker({ agentId, slots: 2 }))
  }

  /** Reads what came, and acts as the peers that it came to. */
  collect(): void {
    const granted: { readonly peerId: string; readonly lease: Lease }[] = []
    for (const worker of this.workers) {
      const held = this.leases.get(worker) ?? []
      for (const body of worker.heard.splice(0)) {
        if (body.case === 'lease') {
          granted.push({ peerId: worker.peerId, lease: body.value })
          held.push(body.value)
        } else if (body.case === 'doneAck' && body.value.refusal === undefined) {
          this.observed.outcome(body.value.lease?.taskId ?? '', body.value.lease?.fence ?? 0n)
        }
      }
      this.leases.set(worker, held)
    }
    // Of what several workers heard since the last look, nobody knows the order.
    granted.sort((a, b) => Number(a.lease.fence - b.lease.fence))
    for (const { peerId, lease } of granted) this.observed.lease(peerId, lease)
    for (const body of this.gateway.heard.splice(0)) {
      if (body.case !== 'submitted') continue
      for (const each of body.value.results) {
        if (each.refusal === undefined) this.observed.acknowledged.add(each.taskId)
      }
    }
  }

  async act(action: Action): Promise<void> {
    switch (action.type) {
      case 'submit':
        this.gateway.send(
          Array.from({ length: action.tasks }, () =>
            this.gateway.header(`t${this.#submitted++}`, { maxAttempts: 10 }),
          ),
        )
        break
      case 'cancel':
        this.gateway.say({
          case: 'cancel',
          value: { ask: 9_999, taskId: `alice:t${action.task}`, reason: 'user' },
        })
        break
      case 'pass':
        await this.world.clock.advance(action.ms)
        break
      case 'crash':
        await this.world.clock.advance(action.afterMs)
        this.collect()
        await this.restart()
        break
      default:
        await this.work(action.type, this.workers[action.worker])
    }
    this.collect()
  }

  async work(
    what: 'done' | 'fail' | 'decline' | 'drop' | 'progress',
    worker: FakeWorker | undefined,
  ): Promise<void> {
    if (worker === undefined) return
    if (what === 'drop') {
      worker.link.abort('dropped')
      await this.reattach(worker)
      return
    }
    const held = this.leases.get(worker) ?? []
    const lease = what === 'progress' ? held[0] : held.shift()
    if (lease === undefined) return
    const ref = { taskId: lease.header?.id ?? '', fence: lease.fence }
    const why = { code: 'engine-failed', detail: 'broke', next: '', retryAfterMs: 0 }
    const free = Math.max(0, 2 - held.length)
    if (what === 'progress') worker.progress(lease, BigInt(this.world.clock.nowMs()))
    else if (what === 'done')
      worker.say({ case: 'done', value: { lease: ref, free, ...worker.outcome(lease, this.gateway) } })
    else if (what === 'fail')
      worker.say({ case: 'failed', value: { lease: ref, fault: Fault.WORKER, why, free } })
    else worker.say({ case: 'declined', value: { lease: ref, reason: 'busy', free } })
  }

  async restart(): Promise<void> {
    this.world.crash()
    await this.world.start()
    await this.gateway.attach()
    for (const worker of this.workers) await this.reattach(worker)
  }

  async reattach(worker: FakeWorker): Promise<void> {
    const held = this.leases.get(worker) ?? []
    const running = held.map((lease) => ({ taskId: lease.header?.id ?? '', fence: lease.fence }))
    const welcome = await worker.attach({ running, slots: Math.max(0, 2 - held.length) })
    const kept = welcome !== undefined && 'keep' in welcome ? welcome.keep : []
    const goOn = held.filter((lease) =>
      kept.some((each) => each.taskId === lease.header?.id && each.fence === lease.fence),
    )
    this.leases.set(worker, goOn)
  }
}

test('whatever crashes when: no fence is granted twice, no task paid twice, no acknowledged submit lost', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(action, { minLength: 10, maxLength: 50 }), async (actions) => {
      const scene = new Scene()
      try {
        await scene.start()
        for (const each of actions) await scene.act(each)
        await scene.world.clock.advance(1_000)
        scene.collect()
        await scene.restart()
        const { acknowledged, paid } = scene.observed
        const taskIds = [...acknowledged]
        const synced = await scene.gateway.ask('synced', (ask) => ({ case: 'sync', value: { ask, taskIds } }))
        const lost = synced.value.states.filter((each) => each.standing === Standing.UNKNOWN)
        expect(lost.map((each) => each.taskId)).toEqual([])
        for (const [taskId] of paid) {
          expect(synced.value.states.find((each) => each.taskId === taskId)?.standing).toBe(Standing.DONE)
          expect(await scene.world.store.get(`r|${taskId}`)).toBeDefined()
        }
      } finally {
        scene.world.clock.dispose()
      }
    }),
    { numRuns: 25 },
  )
}, 120_000)
