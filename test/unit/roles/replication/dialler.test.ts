import { afterEach, expect, it } from 'vitest'
import { EdgeCoderError } from '../../../../src/core/errors.js'
import type { DialOptions, Link, Network, PeerAddress } from '../../../../src/ports/network.js'
import { DIAL_MS, LEAST_BACKOFF_MS, MOST_REDIAL_MS } from '../../../../src/roles/replication/constants.js'
import { Dialler } from '../../../../src/roles/replication/dialler.js'
import { createSeededRandom } from '../../../../src/services/clock/seeded-random.js'
import { createVirtualClock } from '../../../../src/services/clock/virtual-clock.js'
import { createMemoryMesh } from '../../../../src/services/network/memory-network.js'
import { quietLog } from '../../../contract/network/adapters.js'

const clock = createVirtualClock(0)
const random = createSeededRandom(1)
let dialler: Dialler | undefined
afterEach(async () => {
  dialler?.stop()
  await clock.runUntilIdle()
})

interface Dialled {
  readonly peerId: string
  readonly atMs: number
  readonly link: { aborted: string | undefined }
  readonly answer: () => void
  readonly fail: () => void
}

/** The dialler of peer `m`, whose dials the test answers. */
function dialling(...others: readonly string[]) {
  const dialled: Dialled[] = []
  const opened: string[] = []
  const linked = new Set<string>()
  const coordinators: PeerAddress[] = others.map((peerId) => ({ peerId, addresses: [] }))
  const dial = ({ peerId }: PeerAddress, _protocol: string, { signal }: DialOptions): Promise<Link> =>
    new Promise((resolve, reject) => {
      const made = { aborted: undefined as string | undefined }
      const link: Link = {
        peerId,
        protocol: 'ledger',
        remoteAddress: `/memory/${peerId}`,
        send: () => true,
        drained: async () => {},
        receive: () => {},
        close: async () => {},
        abort: (reason) => {
          made.aborted = reason
        },
      }
      const fail = (): void => reject(new EdgeCoderError('unreachable', 'nobody answers'))
      signal.addEventListener('abort', fail)
      dialled.push({ peerId, atMs: clock.monotonicMs(), link: made, answer: () => resolve(link), fail })
    })
  const mesh = createMemoryMesh({ clock, random }).network('m')
  const network: Network = new Proxy(mesh, {
    get: (target, name) => (name === 'dial' ? dial : Reflect.get(target, name, target)),
  })
  const made = new Dialler({ network, clock, random, log: quietLog }, 'ledger', {
    coordinators: () => coordinators,
    linked: (peerId) => linked.has(peerId),
    opened: ({ peerId }) => {
      opened.push(peerId)
      linked.add(peerId)
    },
  })
  dialler = made
  return { dialler: made, dialled, opened, linked, coordinators }
}

it('dials those that sort after it, once, and leaves it to the others to dial here', async () => {
  const { dialler, dialled, opened } = dialling('a', 'm', 'n', 'z')
  dialler.dial()
  dialler.dial()
  expect(dialled.map(({ peerId }) => peerId)).toEqual(['n', 'z'])
  for (const each of dialled) each.answer()
  await clock.advance(MOST_REDIAL_MS)
  dialler.dial()
  await clock.advance(MOST_REDIAL_MS)
  expect([opened, dialled.length]).toEqual([['n', 'z'], 2])
})

it('dials again after it failed, each time later, up to the most', async () => {
  const { dialler, dialled } = dialling('z')
  dialler.dial()
  const waitsMs: number[] = []
  for (let round = 0; round < 12; round++) {
    const atMs = dialled.at(-1)?.atMs ?? 0
    dialled.at(-1)?.fail()
    await clock.runUntil(() => dialled.length === round + 2, 2 * MOST_REDIAL_MS)
    waitsMs.push((dialled.at(-1)?.atMs ?? 0) - atMs)
  }
  for (const [round, waitMs] of waitsMs.entries()) {
    const most = Math.min(MOST_REDIAL_MS, LEAST_BACKOFF_MS * 2 ** round)
    expect(waitMs).toBeGreaterThanOrEqual(most / 2)
    expect(waitMs).toBeLessThanOrEqual(most)
  }
})

it('gives up a dial that nobody answers, and makes another', async () => {
  const { dialler, dialled } = dialling('z')
  dialler.dial()
  await clock.advance(DIAL_MS - 1)
  expect(dialled).toHaveLength(1)
  await clock.advance(1)
  expect(await clock.runUntil(() => dialled.length === 2, MOST_REDIAL_MS)).toBe(true)
})

it('does not dial at once when a link ended as soon as it was there, but when it had lasted', async () => {
  const { dialler, dialled, linked } = dialling('z')
  dialler.dial()
  dialled[0]?.answer()
  await clock.advance(0)
  linked.delete('z')
  dialler.dial()
  expect(dialled).toHaveLength(1)
  expect(await clock.runUntil(() => dialled.length === 2, LEAST_BACKOFF_MS)).toBe(true)
  dialled[1]?.answer()
  await clock.advance(0)
  linked.delete('z')
  dialler.lasted('z')
  dialler.dial()
  expect(dialled).toHaveLength(3)
})

it('does not dial whom policy has removed meanwhile, nor who was linked in another way', async () => {
  const { dialler, dialled, linked, coordinators } = dialling('y', 'z')
  dialler.dial()
  coordinators.shift()
  linked.add('z')
  for (const each of dialled) each.fail()
  await clock.advance(2 * MOST_REDIAL_MS)
  expect(dialled).toHaveLength(2)
})

it('dials nobody once it is stopped, and takes no stream that comes too late', async () => {
  const { dialler, dialled, opened } = dialling('z')
  dialler.dial()
  dialled[0]?.answer()
  dialler.stop()
  await clock.advance(2 * MOST_REDIAL_MS)
  expect([opened, dialled.length, dialled[0]?.link.aborted]).toEqual([[], 1, 'shutting down'])
  dialler.dial()
  expect(dialled).toHaveLength(1)
})
