import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { MachineReading } from '../../core/terms/machine-reading.js'
import type { Machine, MachineQuestion } from '../../ports/machine.js'
import { ProcessorUse } from './processor-use.js'

/** Runs a program of the system. @returns what it says; undefined = it failed */
export type Ask = (program: string, args: readonly string[]) => Promise<string | undefined>

const TIMEOUT_MS = 3_000
const run = promisify(execFile)

/** A Mac tells of input and battery by programs of its own; its temperature takes more rights than we have. */
export function createMacMachine(ask: Ask = askSystem): Machine {
  const use = new ProcessorUse()
  return {
    async read(question: MachineQuestion): Promise<MachineReading> {
      const [input, power] = await Promise.all([
        question.use ? ask('/usr/sbin/ioreg', ['-c', 'IOHIDSystem', '-d', '4']) : undefined,
        question.battery ? ask('/usr/bin/pmset', ['-g', 'batt']) : undefined,
      ])
      const othersCpuRatio = question.use ? use.othersRatio() : undefined
      return {
        ...inputOf(input),
        ...batteryOf(power),
        ...(othersCpuRatio === undefined ? {} : { othersCpuRatio }),
      }
    },
    async confine(cpuPercent) {
      if (cpuPercent === 100) return undefined
      return 'a share of the processor cannot be kept on a Mac: only EDGE_ENGINE_THREADS and EDGE_SLOTS limit'
    },
  }
}

/** `"HIDIdleTime" = 5000000000`, in nanoseconds. */
function inputOf(text: string | undefined): Pick<MachineReading, 'inputIdleMs'> {
  const found = /"HIDIdleTime"\s*=\s*(\d+)/.exec(text ?? '')?.[1]
  return found === undefined ? {} : { inputIdleMs: Number(found) / 1_000_000 }
}

/** `Now drawing from 'Battery Power'`, then ` -InternalBattery-0 (id=…)	85%; discharging; …`. */
function batteryOf(text: string | undefined): Pick<MachineReading, 'battery'> {
  const charge = /InternalBattery.*?(\d{1,3})%/.exec(text ?? '')?.[1]
  if (charge === undefined) return {}
  return { battery: { discharging: /'Battery Power'/.test(text ?? ''), chargePercent: Number(charge) } }
}

async function askSystem(program: string, args: readonly string[]): Promise<string | undefined> {
  try {
    return (await run(program, [...args], { timeout: TIMEOUT_MS })).stdout
  } catch {
    return undefined
  }
}
