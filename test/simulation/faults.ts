import type { VirtualClock } from '../../src/services/clock/virtual-clock.js'
import type { MemoryMesh } from '../../src/services/network/memory-network.js'
import type { SimEvent } from './events.js'
import type { EngineTrouble, Fault } from './plan.js'
import type { Cast } from './simulate.js'

interface Scene {
  readonly clock: VirtualClock
  readonly mesh: MemoryMesh
  readonly cast: Cast
  /** What ails the engine of each worker now. */
  readonly troubles: Map<string, EngineTrouble>
  /** Told of everything that happens. */
  readonly watchers: Set<(event: SimEvent) => void>
  readonly note: (at: string, text: string) => void
}

type Person = Cast['coordinators'][number] | Cast['gateways'][number] | Cast['workers'][number]

/**
 * Sets a timer for each fault, and for its end.
 *
 * @returns ends all of them at once
 */
export function breakThings(faults: readonly Fault[], scene: Scene): () => void {
  const { clock, cast } = scene
  const people = new Map<string, Person>(
    [...cast.coordinators, ...cast.gateways, ...cast.workers].map((each) => [each.name, each]),
  )
  const running = new Set<() => void>()
  const timers = faults.map((fault) =>
    clock.after(fault.atMs, () => {
      scene.note(nameIn(fault), describe(fault))
      const end = begin(fault, scene, people)
      if (end === undefined) return
      running.add(end)
      if ('forMs' in fault) {
        clock.after(fault.forMs, () => {
          if (running.delete(end)) end()
        })
      }
    }),
  )
  return () => {
    scene.note('sim', 'all is mended')
    for (const timer of timers) timer.cancel()
    for (const end of running) end()
    running.clear()
    for (const person of people.values()) person.mend()
  }
}

/** @returns what ends it, when it lasts */
function begin(fault: Fault, scene: Scene, people: ReadonlyMap<string, Person>): (() => void) | undefined {
  const { clock, mesh, troubles } = scene
  const the = (name: string): Person => {
    const person = people.get(name)
    if (person === undefined) throw new Error(`nobody is called ${name}`)
    return person
  }
  switch (fault.type) {
    case 'crash':
      return crashAt(fault, scene, the(fault.process))
    case 'restart':
      the(fault.process).restart(fault.downMs, fault.patienceMs)
      return undefined
    case 'freeze':
      the(fault.process).freeze()
      return () => the(fault.process).thaw()
    case 'cut': {
      const [a, b] = fault.pair.map((name) => the(name).peerId)
      if (a === undefined || b === undefined) return undefined
      mesh.cut(a, b, fault.mode)
      return () => mesh.heal(a, b)
    }
    case 'silence': {
      const { peerId } = the(fault.process)
      const others = [...people.values()].map((each) => each.peerId).filter((each) => each !== peerId)
      for (const other of others) mesh.cut(peerId, other, 'silent')
      return () => {
        for (const other of others) mesh.heal(peerId, other)
      }
    }
    case 'slow-link': {
      const [a, b] = fault.pair.map((name) => the(name).peerId)
      if (a === undefined || b === undefined) return undefined
      mesh.setLatency(a, b, fault.latencyMs)
      return () => mesh.setLatency(a, b, 1)
    }
    case 'engine':
      troubles.set(fault.process, fault.how)
      return () => troubles.delete(fault.process)
    case 'disk-full':
      the(fault.process).disk.full = true
      return () => the(fault.process).disk.mend()
    case 'disk-slow':
      the(fault.process).disk.syncMs = fault.syncMs
      return () => the(fault.process).disk.mend()
    case 'wall': {
      if (fault.process === undefined) {
        clock.jumpWall(fault.byMs)
        return () => clock.jumpWall(-fault.byMs)
      }
      const person = the(fault.process)
      person.wallOffsetMs += fault.byMs
      return () => {
        person.wallOffsetMs -= fault.byMs
      }
    }
  }
}

/** @returns takes it back, if the moment has not come */
function crashAt(fault: Extract<Fault, { type: 'crash' }>, scene: Scene, victim: Person): () => void {
  let left = fault.nth
  const watcher = (event: SimEvent): void => {
    if (event.at !== victim.name || event.type !== fault.moment || --left > 0) return
    scene.watchers.delete(watcher)
    // Never within the call that is being told of: that is what a timer, however short, is for.
    scene.clock.after(fault.delayMs, () => victim.crash(fault.downMs))
  }
  scene.watchers.add(watcher)
  return () => scene.watchers.delete(watcher)
}

function nameIn(fault: Fault): string {
  return 'process' in fault ? (fault.process ?? 'all') : 'pair' in fault ? fault.pair[0] : 'all'
}

function describe(fault: Fault): string {
  const { atMs: _, ...rest } = fault
  return `FAULT ${JSON.stringify(rest)}`
}
