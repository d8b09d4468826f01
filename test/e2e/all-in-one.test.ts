import { writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createProcessMesh, type ProcessMesh } from '../helpers/process-mesh.js'

let mesh: ProcessMesh

beforeAll(async () => {
  mesh = await createProcessMesh({ coordinators: 1, workers: 0, gateways: 0 })
  const networkFile = join(mesh.dir, 'alone.json')
  // No bootstrap and no lists: nothing tells the process that it has a coordinator.
  writeFileSync(networkFile, JSON.stringify({ id: 'alone', admission: 'open' }))
  const alone = mesh.get('coordinator')
  alone.start({
    EDGE_RUNTIME_MODE: 'all-in-one',
    EDGE_NETWORK_FILE: networkFile,
    EDGE_LISTEN: '/ip4/127.0.0.1/tcp/0',
    EDGE_BRIDGE_PORT: '0',
  })
  await alone.ready()
}, 90_000)

afterAll(() => mesh?.close())

it('one process with all roles runs a task with no help from anybody', async () => {
  const prompt = 'Write a JavaScript function gcd that computes the greatest common divisor.'
  const run = await mesh.cli(['task', 'submit', 'chat', prompt, '--node', join(mesh.dir, 'coordinator')])
  expect(run.code, run.stderr).toBe(0)
  expect(run.stdout).toContain('function gcd(a, b)')
  // The state that follows an answer has a line of its own, and the answer ends its own.
  expect(run.stdout).toMatch(/}\n— done by /)
}, 60_000)

it('a queue names tasks by the id that their users know', async () => {
  const node = ['--node', join(mesh.dir, 'coordinator')]
  const submit = ['task', 'submit', 'chat', 'hi', '--model', 'nope', '--no-wait', '--id', 'waits']
  expect((await mesh.cli([...submit, ...node])).stdout).toContain('edgecoder task explain waits')
  const queue = await mesh.cli(['coordinator', 'queue', '--json', ...node])
  expect(queue.json<{ tasks: readonly object[] }>().tasks).toMatchObject([{ id: 'waits', account: 'local' }])
  expect((await mesh.cli(['task', 'cancel', 'waits', ...node])).code).toBe(0)
})

it('doctor looks at the ports that are set, and at no others', async () => {
  const { adminPort } = mesh.get('coordinator').node
  const run = await mesh.cli(['doctor', '--json', '--node', join(mesh.dir, 'nothing')], {
    env: {
      EDGE_RUNTIME_MODE: 'gateway',
      EDGE_ADMIN_PORT: String(adminPort),
      EDGE_BRIDGE_PORT: '0',
      EDGE_LISTEN: '',
    },
  })
  expect(run.code).toBe(1)
  const { findings } = run.json<{ findings: readonly { check: string }[] }>()
  expect(findings.filter(({ check }) => check === 'port')).toMatchObject([
    { ok: false, next: 'Choose another with EDGE_ADMIN_PORT.' },
  ])
})

it('wrong use is told in JSON too', async () => {
  for (const args of [['nope'], ['task', 'list', '--limit', 'x'], ['task']]) {
    const run = await mesh.cli([...args, '--json'], { cwd: tmpdir() })
    expect(run.code).toBe(2)
    expect(run.json()).toMatchObject({ error: { code: 'bad-request' } })
  }
})
