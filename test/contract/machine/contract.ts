import { expect, it } from 'vitest'
import type { Machine } from '../../../src/ports/machine.js'

const EVERYTHING = { use: true, battery: true, heat: true }

/** What every machine promises, on whichever system the tests run. */
export function machineContract(create: () => Machine): void {
  it('tells what it can, within bounds, and leaves out the rest', async () => {
    const machine = create()
    for (let look = 0; look < 2; look++) {
      const { inputIdleMs = 0, othersCpuRatio = 0, battery, hottestC = 20 } = await machine.read(EVERYTHING)
      expect(inputIdleMs).toBeGreaterThanOrEqual(0)
      expect(othersCpuRatio).toBeGreaterThanOrEqual(0)
      expect(othersCpuRatio).toBeLessThanOrEqual(1)
      expect(hottestC).toBeGreaterThan(0)
      expect(battery?.chargePercent ?? 50).toBeGreaterThanOrEqual(0)
      expect(battery?.chargePercent ?? 50).toBeLessThanOrEqual(100)
    }
  })

  it('is not looked at for what nobody asks', async () => {
    expect(await create().read({ use: false, battery: false, heat: false })).toEqual({})
  })

  it('gives all of the processor without ado', async () => {
    expect(await create().confine(100)).toBeUndefined()
  })
}
