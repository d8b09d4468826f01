import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createMachine } from '../../../src/services/machine/create-machine.js'
import { createLinuxMachine, type LinuxPlaces } from '../../../src/services/machine/linux-machine.js'
import { until } from '../../helpers/until.js'
import { machineContract } from './contract.js'

describe.skipIf(process.platform !== 'linux')('this machine', () => {
  machineContract(() => createMachine())

  it('sees what other programs take from the processor', async () => {
    const machine = createMachine()
    const ask = { use: true, battery: false, heat: false }
    await machine.read(ask)
    // Grandchildren of nobody here: not our own work.
    const cores = availableParallelism()
    const shell = `for i in $(seq ${cores}); do timeout 60 sh -c 'while :; do :; done' >/dev/null 2>&1 & echo $!; done`
    const pids = execFileSync('setsid', ['sh', '-c', shell], { encoding: 'utf8' }).trim().split('\n')
    onTestFinished(() => {
      for (const pid of pids) process.kill(Number(pid))
    })
    await until(
      'their work to be seen',
      async () => ((await machine.read(ask)).othersCpuRatio ?? 0) > 0.25,
      30_000,
    )
  })

  it.skipIf(availableParallelism() < 2 || spawnSync('taskset', ['-h']).error !== undefined)(
    'keeps a process, its threads and its children to a share of the cores, and gives them back',
    async () => {
      const child = spawn(
        process.execPath,
        ['--import', 'tsx', join(import.meta.dirname, 'confined-child.ts')],
        {
          stdio: ['ignore', 'pipe', 'inherit'],
        },
      )
      let said = ''
      child.stdout.on('data', (bytes: Buffer) => {
        said += bytes
      })
      await once(child, 'close')
      const cores = availableParallelism()
      const half = Math.max(1, Math.floor(cores / 2))
      expect(JSON.parse(said)).toEqual([
        { percent: 50, own: half, before: half, after: half },
        { percent: 1, own: 1, before: 1, after: 1 },
        { percent: 100, own: cores, before: cores, after: cores },
      ])
    },
  )
})

describe('a machine whose files are these', () => {
  function places(files: Readonly<Record<string, string>>): LinuxPlaces & { readonly root: string } {
    const root = mkdtempSync(join(tmpdir(), 'edgecoder-machine-'))
    onTestFinished(() => rmSync(root, { recursive: true, force: true }))
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(root, path)), { recursive: true })
      writeFileSync(join(root, path), text)
    }
    return { root, sys: join(root, 'sys'), dev: join(root, 'dev'), proc: join(root, 'proc') }
  }

  const battery = (name: string, type: string, status: string, capacity: string) => ({
    [`sys/class/power_supply/${name}/type`]: `${type}\n`,
    [`sys/class/power_supply/${name}/status`]: `${status}\n`,
    [`sys/class/power_supply/${name}/capacity`]: `${capacity}\n`,
  })

  it('takes the battery with the least charge, and not that of a mouse', async () => {
    const at = places({
      ...battery('BAT0', 'Battery', 'Discharging', '61'),
      ...battery('BAT1', 'Battery', 'Unknown', '34'),
      ...battery('mouse', 'Battery', 'Discharging', '5'),
      'sys/class/power_supply/mouse/scope': 'Device\n',
      'sys/class/power_supply/AC/type': 'Mains\n',
    })
    const read = await createLinuxMachine(at).read({ use: false, battery: true, heat: false })
    expect(read).toEqual({ battery: { discharging: true, chargePercent: 34 } })
  })

  it('has no battery when none can be read', async () => {
    const at = places(battery('BAT0', 'Battery', 'Full', 'nonsense'))
    expect(await createLinuxMachine(at).read({ use: false, battery: true, heat: true })).toEqual({})
  })

  it('takes the hottest sensor that can be true', async () => {
    const zone = (n: number) => `sys/class/thermal/thermal_zone${n}/temp`
    const at = places({ [zone(0)]: '48000\n', [zone(1)]: '61500\n', [zone(2)]: '-273200\n', [zone(3)]: '\n' })
    const read = await createLinuxMachine(at).read({ use: false, battery: false, heat: true })
    expect(read).toEqual({ hottestC: 61.5 })
  })

  it('was last used when somebody last typed in a terminal', async () => {
    const at = places({ 'dev/tty1': '', 'dev/pts/0': '', 'dev/pts/ptmx': '', 'dev/ttyS0': '' })
    const ago = (s: number) => new Date(Date.now() - s * 1_000)
    utimesSync(join(at.dev, 'tty1'), ago(900), ago(0))
    utimesSync(join(at.dev, 'pts', '0'), ago(300), ago(0))
    const { inputIdleMs } = await createLinuxMachine(at).read({ use: true, battery: false, heat: false })
    expect(inputIdleMs).toBeGreaterThan(299_000)
    expect(inputIdleMs).toBeLessThan(310_000)
  })

  it('is used when the keyboard interrupts, which only the second look can tell', async () => {
    const interrupts = (count: number) =>
      ` CPU0 CPU1\n  1: ${count} 4 IO-APIC 1-edge i8042\n 12: 9 9 x 12-edge eth0\n`
    const at = places({ 'proc/interrupts': interrupts(10) })
    const machine = createLinuxMachine(at)
    const ask = { use: true, battery: false, heat: false }
    expect(await machine.read(ask)).not.toHaveProperty('inputIdleMs')
    expect(await machine.read(ask)).not.toHaveProperty('inputIdleMs')
    writeFileSync(join(at.proc, 'interrupts'), interrupts(11))
    expect((await machine.read(ask)).inputIdleMs).toBeLessThan(1_000)
  })

  it('tells of no input when there is nothing to see it by', async () => {
    const read = await createLinuxMachine(places({})).read({ use: true, battery: true, heat: true })
    expect(read).not.toHaveProperty('inputIdleMs')
    expect(read).not.toHaveProperty('battery')
    expect(read).not.toHaveProperty('hottestC')
  })
})
