import { describe, expect, it } from 'vitest'
import { simulateLargeMesh } from './large-mesh.js'

const SMALL = { coordinators: 2, gateways: 2, workers: 60, seconds: 240, tasksPerS: 2, churnPerHour: 5 }

describe('a mesh whose workers come and go', () => {
  it('does every task, and the same seed plays the same', async () => {
    const [first, again] = [
      await simulateLargeMesh({ ...SMALL, seed: 1 }),
      await simulateLargeMesh({ ...SMALL, seed: 1 }),
    ]
    expect(first.tasks).toEqual({ done: first.submitted })
    expect(first.submitted).toBe(SMALL.seconds * SMALL.tasksPerS)
    expect(first.left).toBeGreaterThan(5)
    expect(first.again).toBeGreaterThan(0)
    expect(again.traces).toEqual(first.traces)
  })

  it('plays differently with another seed, and as before when it is broken off', async () => {
    const whole = await simulateLargeMesh({ ...SMALL, seed: 2 })
    const part = await simulateLargeMesh({ ...SMALL, seed: 2, minutes: 1 })
    const other = await simulateLargeMesh({ ...SMALL, seed: 3, minutes: 1 })
    expect(part.traces).toEqual(whole.traces.slice(0, 1))
    expect(other.traces).not.toEqual(part.traces)
  })
})
