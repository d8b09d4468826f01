import type { VirtualClock } from '../../../src/services/clock/virtual-clock.js'
import type { MemoryMesh } from '../../../src/services/network/memory-network.js'
import { HonestLedger } from './honest-ledger.js'
import type { LedgerFault } from './plan.js'
import type { LedgerPerson } from './simulate-ledger.js'

interface Scene {
  readonly clock: VirtualClock
  readonly mesh: MemoryMesh
  readonly people: readonly LedgerPerson[]
  readonly note: (at: string, text: string) => void
}

/** Sets a timer for each fault and its end. @returns ends all of them at once */
export function breakLedger(faults: readonly LedgerFault[], scene: Scene): () => void {
  const { clock, people } = scene
  const running = new Set<() => void>()
  const timers = faults.map((fault) =>
    clock.after(fault.atMs, () => {
      scene.note('sim', `FAULT ${JSON.stringify(fault)}`)
      const end = begin(fault, scene)
      running.add(end)
      clock.after(fault.forMs, () => {
        if (running.delete(end)) end()
      })
    }),
  )
  return () => {
    scene.note('sim', 'all is mended')
    for (const timer of timers) timer.cancel()
    for (const end of running) end()
    running.clear()
    for (const person of people) person.mend()
  }
}

function begin(fault: LedgerFault, { clock, mesh, people, note }: Scene): () => void {
  const the = (name: string): LedgerPerson => {
    const person = people.find((each) => each.name === name)
    if (person === undefined) throw new Error(`nobody is called ${name}`)
    return person
  }
  if (fault.type === 'cut' || fault.type === 'slow') {
    const [a, b] = fault.pair.map((name) => the(name).peerId) as [string, string]
    if (fault.type === 'cut') mesh.cut(a, b, fault.mode)
    else mesh.setLatency(a, b, fault.latencyMs)
    return () => (fault.type === 'cut' ? mesh.heal(a, b) : mesh.setLatency(a, b, 5))
  }
  if (fault.type === 'apart') {
    const inside = people.filter(({ name }) => fault.group.includes(name))
    const outside = people.filter(({ name }) => !fault.group.includes(name))
    const pairs = inside.flatMap((a) => outside.map((b) => [a.peerId, b.peerId] as const))
    for (const [a, b] of pairs) mesh.cut(a, b)
    return () => {
      for (const [a, b] of pairs) mesh.heal(a, b)
    }
  }
  const person = the(fault.process)
  switch (fault.type) {
    case 'crash':
      person.crash(fault.forMs)
      return () => {}
    case 'restart':
      person.restart(fault.forMs, 5_000)
      return () => {}
    case 'forget': {
      const { role } = person
      if (!(role instanceof HonestLedger)) return () => {}
      // It has stopped writing, whether its disk took that or not.
      const crash = (): void => void clock.after(0, () => person.crash(fault.forMs))
      role.forget().then(crash, (error: unknown) => {
        note(fault.process, `could not forget: ${String(error)}`)
        crash()
      })
      return () => {}
    }
    case 'freeze':
      person.freeze()
      return () => person.thaw()
    case 'disk-slow':
      person.disk.syncMs = fault.syncMs
      return () => person.disk.mend()
    case 'disk-full':
      person.disk.full = true
      return () => person.disk.mend()
    case 'wall':
      person.wallOffsetMs += fault.byMs
      return () => {
        person.wallOffsetMs -= fault.byMs
      }
  }
}
