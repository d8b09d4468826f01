import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { CLI, plainEnv } from '../helpers/cli.js'
import { createHeldTasks, type HeldTasks } from '../helpers/held-tasks.js'

let held: HeldTasks

beforeAll(async () => {
  held = await createHeldTasks({ coordinators: 1, workers: 1, gateways: 1 }, { EDGE_SLOTS: '2' })
  await held.mesh.start()
}, 120_000)

afterAll(() => held?.close())

function coordinator(...args: string[]) {
  return held.mesh.cli(['--node', 'coordinator', '--json', 'coordinator', ...args])
}

/** As somebody types it who watches what it says. */
function typed(...args: string[]): ChildProcess {
  return spawn(process.execPath, [CLI, ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...plainEnv(), EDGE_MESH_DIR: held.mesh.dir },
  })
}

function drain(...args: string[]): ChildProcess {
  return typed('--node', 'coordinator', 'coordinator', 'drain', 'worker', ...args)
}

async function expectInterrupted(child: ChildProcess, next: string): Promise<void> {
  const ending = says(child, `next:  ${next}`)
  child.kill('SIGINT')
  expect(await code(child)).toBe(130)
  await ending
}

async function says(child: ChildProcess, text: string): Promise<void> {
  let said = ''
  for await (const piece of child.stderr?.iterator({ destroyOnReturn: false }) ?? []) {
    said += String(piece)
    if (said.includes(text)) return
  }
  throw new Error(`it ended without "${text}": ${said}`)
}

async function code(child: ChildProcess): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  return child.exitCode
}

it('drain waits and shows what is left; it goes on after Ctrl-C and kill -9, until undrain', async () => {
  await held.submit('has')
  await held.running('has')
  const first = drain('--reason', 'new disk')
  await says(first, 'gets nothing new')
  await expectInterrupted(first, 'edgecoder coordinator drains')
  const worker = held.mesh.get('worker').node.peerId
  const left = { worker, reason: 'new disk', leases: 1 }
  expect((await coordinator('drains')).json()).toMatchObject({ drains: [left] })

  const second = drain('--reason', 'new disk')
  await says(second, 'gets nothing new')
  await held.mesh.kill('coordinator')
  await held.mesh.start(['coordinator'])
  await says(second, '1 lease left')
  await held.submit('waits')
  held.letGo('has')
  expect(await code(second)).toBe(0)
  await held.expectDoneOnce('has', 1)
  expect((await coordinator('drains')).json()).toMatchObject({ drains: [{ ...left, leases: 0 }] })
  await held.standsAt(held.mesh.get('coordinator'), 'waits', 'queued')
  const watching = typed('task', 'watch', 'waits')
  await says(watching, 'queued')
  await expectInterrupted(watching, 'edgecoder task watch waits')
  const why = await held.mesh.cli(['--node', 'worker', 'node', 'why-idle'])
  expect(why.stdout).toContain('drains the worker: new disk')
  expect(held.begun('waits')).toBe(0)

  expect((await coordinator('undrain', 'worker')).json()).toEqual({ drains: [] })
  held.letGo('waits')
  await held.expectDoneOnce('waits', 1)
  expect((await coordinator('drain', 'nobody')).code).toBe(3)
}, 180_000)
