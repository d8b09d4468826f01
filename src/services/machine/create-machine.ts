import type { Machine } from '../../ports/machine.js'
import { createLinuxMachine } from './linux-machine.js'
import { createMacMachine } from './mac-machine.js'

/** The machine this process runs on; of a system that is not known, nothing is told. */
export function createMachine(platform: NodeJS.Platform = process.platform): Machine {
  if (platform === 'linux') return createLinuxMachine()
  if (platform === 'darwin') return createMacMachine()
  return {
    read: async () => ({}),
    confine: async (cpuPercent) =>
      cpuPercent === 100 ? undefined : 'a share of the processor cannot be kept on this system',
  }
}
