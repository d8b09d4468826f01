import { expect, it } from 'vitest'
import { createMacMachine } from '../../../src/services/machine/mac-machine.js'
import { machineContract } from './contract.js'

const IOREG = `+-o IOHIDSystem  <class IOHIDSystem, id 0x100000402, registered, matched, active>
    {
      "HIDIdleTime" = 92500000000
      "HIDParameters" = {"HIDClickTime"=500000000}
    }`
const PMSET = (source: string) => `Now drawing from '${source}'
 -InternalBattery-0 (id=21823587)\t85%; discharging; 3:20 remaining present: true
`

function mac(said: Readonly<Record<string, string>>) {
  return createMacMachine(async (program) => said[program.split('/').at(-1) ?? ''])
}

machineContract(() => mac({ ioreg: IOREG, pmset: PMSET('AC Power') }))

it('reads what the programs of the system say', async () => {
  const ask = { use: true, battery: true, heat: true }
  const { inputIdleMs, battery, hottestC } = await mac({ ioreg: IOREG, pmset: PMSET('Battery Power') }).read(
    ask,
  )
  expect(inputIdleMs).toBe(92_500)
  expect(battery).toEqual({ discharging: true, chargePercent: 85 })
  expect(hottestC).toBeUndefined()
  expect((await mac({ pmset: PMSET('AC Power') }).read(ask)).battery?.discharging).toBe(false)
})

it('tells nothing when they fail, and of a Mac without a battery that it has none', async () => {
  const ask = { use: true, battery: true, heat: true }
  expect(Object.keys(await mac({}).read(ask)).filter((name) => name !== 'othersCpuRatio')).toEqual([])
  expect(await mac({ pmset: "Now drawing from 'AC Power'\n" }).read(ask)).not.toHaveProperty('battery')
})

it('says that it cannot keep to a share of the processor', async () => {
  expect(await mac({}).confine(50)).toContain('EDGE_ENGINE_THREADS')
})
