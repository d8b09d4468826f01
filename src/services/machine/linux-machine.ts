import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { MachineReading } from '../../core/terms/machine-reading.js'
import type { Machine, MachineQuestion } from '../../ports/machine.js'
import { confineToCores } from './confine.js'
import { ProcessorUse } from './processor-use.js'

/** Where Linux tells of the machine; others in tests. */
export interface LinuxPlaces {
  readonly sys: string
  readonly dev: string
  readonly proc: string
}

const PLACES: LinuxPlaces = { sys: '/sys', dev: '/dev', proc: '/proc' }
/** Sensors that are not there read as absolute zero or as something far off. */
const COLDEST_C = 1
const HOTTEST_C = 150
/** Files looked at in one folder. */
const MOST_FILES = 256

export function createLinuxMachine(places: LinuxPlaces = PLACES): Machine {
  return new LinuxMachine(places)
}

class LinuxMachine implements Machine {
  readonly #places: LinuxPlaces
  readonly #use = new ProcessorUse()
  /** Interrupts of keyboard and touchpad, and when their number was last seen to grow. */
  #interrupts: { readonly count: number; readonly atMs: number } | undefined

  constructor(places: LinuxPlaces) {
    this.#places = places
  }

  async read(question: MachineQuestion): Promise<MachineReading> {
    const { sys } = this.#places
    const [battery, hottestC, inputIdleMs] = await Promise.all([
      question.battery ? readBattery(join(sys, 'class', 'power_supply')) : undefined,
      question.heat ? readHottest(join(sys, 'class', 'thermal')) : undefined,
      question.use ? this.#inputIdle() : undefined,
    ])
    const othersCpuRatio = question.use ? this.#use.othersRatio() : undefined
    return {
      ...(battery === undefined ? {} : { battery }),
      ...(hottestC === undefined ? {} : { hottestC }),
      ...(inputIdleMs === undefined ? {} : { inputIdleMs }),
      ...(othersCpuRatio === undefined ? {} : { othersCpuRatio }),
    }
  }

  confine(cpuPercent: number): Promise<string | undefined> {
    return confineToCores(cpuPercent)
  }

  /** Terminals note when they were last typed in; laptops' own keyboards and touchpads interrupt. */
  async #inputIdle(): Promise<number | undefined> {
    const { dev } = this.#places
    const terminals = [
      ...(await filesOf(dev)).filter((name) => /^tty\d+$/.test(name)).map((name) => join(dev, name)),
      ...(await filesOf(join(dev, 'pts')))
        .filter((name) => /^\d+$/.test(name))
        .map((name) => join(dev, 'pts', name)),
    ]
    const times = await Promise.all(terminals.map((path) => stat(path).catch(() => undefined)))
    const nowMs = Date.now()
    const idle = times.flatMap((time) => (time === undefined ? [] : [nowMs - time.atimeMs]))
    const interruptedMs = await this.#interruptedMs()
    if (interruptedMs !== undefined) idle.push(performance.now() - interruptedMs)
    return idle.length === 0 ? undefined : Math.max(0, Math.min(...idle))
  }

  /** When they were last seen to come; the first look sees none. */
  async #interruptedMs(): Promise<number | undefined> {
    const count = inputInterrupts(await textOf(join(this.#places.proc, 'interrupts')))
    if (count === undefined) return undefined
    const before = this.#interrupts
    if (before === undefined) this.#interrupts = { count, atMs: Number.NEGATIVE_INFINITY }
    else if (count !== before.count) this.#interrupts = { count, atMs: performance.now() }
    const atMs = this.#interrupts?.atMs
    return atMs === undefined || atMs === Number.NEGATIVE_INFINITY ? undefined : atMs
  }
}

/** Of several batteries the one with the least charge counts; those of mice and headsets do not. */
async function readBattery(folder: string): Promise<MachineReading['battery']> {
  const found = await Promise.all(
    (await filesOf(folder)).map(async (name) => {
      const read = async (file: string) => (await textOf(join(folder, name, file)))?.trim()
      const [type, scope, status] = [await read('type'), await read('scope'), await read('status')]
      const charge = Number(await read('capacity'))
      if (type !== 'Battery' || scope === 'Device' || !(charge >= 0 && charge <= 100)) return []
      return [{ discharging: status === 'Discharging', chargePercent: charge }]
    }),
  )
  const batteries = found.flat()
  if (batteries.length === 0) return undefined
  return {
    discharging: batteries.some(({ discharging }) => discharging),
    chargePercent: Math.min(...batteries.map(({ chargePercent }) => chargePercent)),
  }
}

async function readHottest(folder: string): Promise<number | undefined> {
  const zones = (await filesOf(folder)).filter((name) => /^thermal_zone\d+$/.test(name))
  const read = await Promise.all(zones.map((zone) => textOf(join(folder, zone, 'temp'))))
  const degrees = read
    .map((text) => Number(text?.trim() || Number.NaN) / 1000)
    .filter((each) => each >= COLDEST_C && each <= HOTTEST_C)
  return degrees.length === 0 ? undefined : Math.max(...degrees)
}

/** How often the controller of keyboard and touchpad interrupted; undefined = there is none. */
function inputInterrupts(text: string | undefined): number | undefined {
  const lines = (text ?? '').split('\n').filter((line) => /\bi8042\b/.test(line))
  if (lines.length === 0) return undefined
  const counts = lines.flatMap((line) => /^\s*\w+:((?:\s+\d+)+)/.exec(line)?.[1]?.trim().split(/\s+/) ?? [])
  return counts.reduce((sum, count) => sum + Number(count), 0)
}

async function filesOf(folder: string): Promise<readonly string[]> {
  return (await readdir(folder).catch(() => [])).slice(0, MOST_FILES)
}

function textOf(path: string): Promise<string | undefined> {
  return readFile(path, 'latin1').catch(() => undefined)
}
