import type { Clock } from '../../src/ports/clock.js'
import type { Link, LinkReceiver, Network } from '../../src/ports/network.js'
import type { Random } from '../../src/ports/random.js'
import type { Store, Write } from '../../src/ports/store.js'
import { codec, frames, isMalformed } from '../../src/wire/frame.js'
import { Standing } from '../../src/wire/generated/edgecoder/control/v1/gateway_pb.js'
import { StoredState, StoredTaskSchema } from '../../src/wire/generated/edgecoder/store/v1/task_pb.js'
import { type RoleName, roleOf } from './events.js'
import { SECRET } from './plan.js'
import type { Sabotage } from './sim-process.js'

/** Roles that break their promises on purpose; each must be found out. */
export const SABOTAGES: Readonly<
  Record<
    string,
    {
      readonly rules: readonly string[]
      readonly how: Sabotage
      /** Seeds whose plan has what shows it, tried first; for what few plans have. */
      readonly seeds?: readonly number[]
    }
  >
> = {
  'a coordinator that acknowledges before it is durable': {
    rules: ['a word is on the disk'],
    how: { store: (store, name) => (is(name, 'coordinator') ? eager(store) : store) },
  },
  'a gateway that acknowledges before it is durable': {
    rules: ['promise to the user', 'one result', 'no stale result'],
    how: { store: (store, name) => (is(name, 'gateway') ? eager(store) : store) },
  },
  'a coordinator that counts fences anew after a restart': {
    rules: ['fences grow'],
    seeds: [66, 145, 155],
    how: { store: (store, name) => (is(name, 'coordinator') ? forgetful(store) : store) },
  },
  'a gateway that is deaf to the end of a lease, and so takes stale results': {
    rules: ['no stale result'],
    how: {
      network: (network, name) =>
        is(name, 'gateway') ? tampered(network, { hears: deafToNewer() }) : network,
    },
  },
  'a coordinator that gives every lease to two workers': {
    rules: ['fences grow', 'one lease at a time'],
    how: { network: (network, name) => (is(name, 'coordinator') ? tampered(network, doubled()) : network) },
  },
  'a coordinator that pays whatever it is handed': {
    rules: ['only what was accepted is paid', 'a word is on the disk'],
    how: {
      network: (network, name) => (is(name, 'coordinator') ? tampered(network, { says: lenient }) : network),
    },
  },
  'a gateway that does not show what its worker is to be paid for': {
    rules: ['who delivered is paid'],
    seeds: [14, 20, 42],
    how: {
      network: (network, name) => (is(name, 'gateway') ? tampered(network, { says: unshown }) : network),
    },
  },
  'a gateway that shows the prompt to its coordinator': {
    rules: ['secrecy'],
    how: {
      network: (network, name) => (is(name, 'gateway') ? tampered(network, { says: talkative }) : network),
    },
  },
  'a coordinator that answers nothing about the end of tasks': {
    rules: ['all comes to an end'],
    how: {
      network: (network, name) => (is(name, 'worker') ? tampered(network, { says: reticent }) : network),
    },
  },
  'a coordinator that loses track of what it holds': {
    rules: ['the ledger stands up to an audit', 'paid as it ended'],
    how: { store: (store, name) => (is(name, 'coordinator') ? without(store, 'ledger|0|s|h') : store) },
  },
  'a coordinator that forgets over a crash whom it isolated, and that it was paused': {
    rules: ['closed is closed'],
    how: {
      store: (store, name) =>
        is(name, 'coordinator') ? without(without(store, 'm|pause'), 'm|isolated|') : store,
    },
  },
  'a worker that leaves a timer behind with each that it sets': {
    rules: ['nothing is left'],
    how: { clock: (clock, name) => (is(name, 'worker') ? littering(clock) : clock) },
  },
}

function is(name: string, role: RoleName): boolean {
  return roleOf(name) === role
}

/** Says that a commit is on the disk when only the one before is. */
function eager(store: Store): Store {
  let last: readonly Write[] | undefined
  const lags = async (writes?: readonly Write[]): Promise<void> => {
    const before = last
    last = writes
    if (before !== undefined) await store.commit(before)
  }
  return over(store, {
    commit: (writes) => lags(writes),
    close: () => lags().then(() => store.close()),
  })
}

/** Writes everything but what has such keys. */
function without(store: Store, prefix: string): Store {
  return over(store, {
    commit: (writes) => store.commit(writes.filter(({ key }) => !key.startsWith(prefix))),
  })
}

/** What a restart reads back has no memory of earlier fences. */
function forgetful(store: Store): Store {
  const tasks = codec(StoredTaskSchema, 64 * 1024)
  return over(store, {
    async *range(range) {
      for await (const [key, value] of store.range(range)) {
        const task = key.startsWith('t|') ? tasks.decode(value) : undefined
        if (task === undefined || isMalformed(task) || task.state !== StoredState.QUEUED) yield [key, value]
        else yield [key, tasks.encode({ ...task, lastFence: 0n })]
      }
    },
  })
}

function littering(clock: Clock): Clock {
  return {
    nowMs: () => clock.nowMs(),
    monotonicMs: () => clock.monotonicMs(),
    every: (ms, task) => clock.every(ms, task),
    after(ms, task) {
      clock.after(3_600_000, () => {})
      return clock.after(ms, task)
    },
  }
}

function over(store: Store, part: Partial<Store>): Store {
  return {
    get: (key) => store.get(key),
    getNow: (key) => store.getNow(key),
    range: (range) => store.range(range),
    snapshot: () => store.snapshot(),
    commit: (writes: readonly Write[]) => store.commit(writes),
    close: () => store.close(),
    ...part,
  }
}

interface Tampering {
  /** @returns what is sent instead; undefined = nothing */
  says?(frame: Uint8Array, link: Link): Uint8Array | undefined
  /** @returns what is heard instead; undefined = nothing */
  hears?(frame: Uint8Array, link: Link): Uint8Array | undefined
}

function tampered(network: Network, tampering: Tampering): Network {
  const wrap = (link: Link): Link => tamperedLink(link, tampering)
  return new Proxy(network, {
    get(target, name) {
      if (name === 'dial') {
        return async (...args: Parameters<Network['dial']>) => wrap(await target.dial(...args))
      }
      if (name === 'serve') {
        return (...[protocol, options, accept]: Parameters<Network['serve']>) =>
          target.serve(protocol, options, (link) => accept(wrap(link)))
      }
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

function tamperedLink(link: Link, { says, hears }: Tampering): Link {
  return new Proxy(link, {
    get(target, name) {
      if (name === 'send' && says !== undefined) {
        return (frame: Uint8Array) => {
          const instead = says(frame, target)
          return instead === undefined || target.send(instead)
        }
      }
      if (name === 'receive' && hears !== undefined) {
        return (receiver: LinkReceiver) =>
          target.receive({
            closed: (reason) => receiver.closed(reason),
            frame(bytes) {
              const instead = hears(bytes, target)
              if (instead !== undefined) receiver.frame(instead)
            },
          })
      }
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

/** Hears of the first lease of each task, and of none that comes after, nor that it was put back. */
function deafToNewer(): NonNullable<Tampering['hears']> {
  const first = new Map<string, bigint>()
  return (frame, link) => {
    if (!link.protocol.includes('/gateway/')) return frame
    const message = frames.coordinatorToGateway.decode(frame)
    if (isMalformed(message) || message.body.case !== 'state') return frame
    const { taskId, fence, standing } = message.body.value
    const known = first.get(taskId)
    if (known === undefined) {
      if (fence > 0n) first.set(taskId, fence)
      return frame
    }
    return standing === Standing.QUEUED || (fence > 0n && fence !== known) ? undefined : frame
  }
}

function doubled(): Tampering {
  const workers = new Set<Link>()
  return {
    says(frame, link) {
      if (!link.protocol.includes('/worker/')) return frame
      const message = frames.coordinatorToWorker.decode(frame)
      if (isMalformed(message)) return frame
      if (message.body.case === 'welcome') workers.add(link)
      if (message.body.case === 'lease') for (const other of workers) if (other !== link) other.send(frame)
      return frame
    },
  }
}

/** Every refusal of a result becomes a yes. */
function lenient(frame: Uint8Array, link: Link): Uint8Array {
  if (!link.protocol.includes('/worker/')) return frame
  const message = frames.coordinatorToWorker.decode(frame)
  if (isMalformed(message) || message.body.case !== 'doneAck' || message.body.value.lease === undefined)
    return frame
  const { lease } = message.body.value
  return frames.coordinatorToWorker.encode({ body: { case: 'doneAck', value: { lease } } })
}

/** A result that was accepted, without what both ends signed. */
function unshown(frame: Uint8Array, link: Link): Uint8Array {
  const message = link.protocol.includes('/gateway/') ? frames.gatewayToCoordinator.decode(frame) : undefined
  if (message === undefined || isMalformed(message) || message.body.case !== 'cancel') return frame
  const { receipt: _receipt, acceptance: _acceptance, ...value } = message.body.value
  return frames.gatewayToCoordinator.encode({ body: { case: 'cancel', value } })
}

function talkative(frame: Uint8Array, link: Link): Uint8Array {
  if (!link.protocol.includes('/gateway/')) return frame
  const message = frames.gatewayToCoordinator.decode(frame)
  if (isMalformed(message) || message.body.case !== 'hello') return frame
  const value = { ...message.body.value, version: `asked for ${SECRET}` }
  return frames.gatewayToCoordinator.encode({ body: { case: 'hello', value } })
}

/** A worker that never says that it is done. */
function reticent(frame: Uint8Array, link: Link): Uint8Array | undefined {
  if (!link.protocol.includes('/worker/')) return frame
  const message = frames.workerToCoordinator.decode(frame)
  return !isMalformed(message) && message.body.case === 'done' ? undefined : frame
}

/** The first worker signs none of its receipts. */
export const FORGER: Sabotage = {
  network: (network, name) => (name === 'w1' ? tampered(network, { says: unsigned }) : network),
}

function unsigned(frame: Uint8Array, link: Link): Uint8Array {
  const message = link.protocol.includes('/worker/') ? frames.workerToCoordinator.decode(frame) : undefined
  if (message === undefined || isMalformed(message) || message.body.case !== 'done') return frame
  const { receipt } = message.body.value
  if (receipt !== undefined) receipt.signature = new Uint8Array(receipt.signature.length).fill(7)
  return frames.workerToCoordinator.encode(message)
}

/** Chance that the seed does not decide. */
export const UNSEEDED: Sabotage = {
  network: (network: Network, name: string, _random: Random) =>
    is(name, 'coordinator')
      ? tampered(network, { says: (frame) => (Math.random() < 0.001 ? undefined : frame) })
      : network,
}
