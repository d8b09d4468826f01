import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { createProcessMesh, type ProcessMesh } from '../helpers/process-mesh.js'

interface Listed {
  readonly records: readonly { readonly kind: string; readonly of: string; readonly outcome: string }[]
}
interface Checked {
  readonly records: number
  readonly sealed: number
  readonly peerId?: string
  readonly newest: { readonly sequence: number; readonly hash: string }
  readonly faultCount: number
}

// Each command is a process of its own.
vi.setConfig({ testTimeout: 120_000 })
let mesh: ProcessMesh

beforeAll(async () => {
  mesh = await createProcessMesh({ coordinators: 1, workers: 0, gateways: 1 })
  await mesh.start()
}, 60_000)
afterAll(() => mesh?.close())

const audit = (...args: readonly string[]) => mesh.cli(['--json', '--node', 'gateway', 'audit', ...args])

it('acts that were answered are in the log after kill -9, chained and without a secret', async () => {
  const gateway = mesh.get('gateway')
  const made = await mesh.cli([
    '--json',
    '--node',
    'gateway',
    'token',
    'create',
    'ci',
    '--scope',
    'tasks:read',
  ])
  const { key, secret } = made.json<{ key: { id: string }; secret: string }>()
  await mesh.cli(['--node', 'gateway', 'token', 'revoke', key.id])
  await mesh.cli(['--node', 'gateway', 'token', 'revoke', 'nothing-of-that-name'])
  await mesh.kill('gateway')

  const listed = (await audit('list', '--kind', 'key-created,key-revoked')).json<Listed>()
  expect(listed.records.map(({ kind, of, outcome }) => [kind, of, outcome])).toEqual([
    ['key-created', key.id, 'done'],
    ['key-revoked', key.id, 'done'],
    ['key-revoked', 'nothing-of-that-name', 'refused'],
  ])
  const folder = join(gateway.node.dataDir, 'audit')
  const text = readdirSync(folder)
    .map((name) => readFileSync(join(folder, name), 'utf8'))
    .join('')
  expect(text).not.toContain(secret)
  expect((await audit('verify')).json<Checked>()).toMatchObject({ faultCount: 0 })
})

it('a node goes on with its log, seals it as it stops, and an export is checked anywhere', async () => {
  const gateway = mesh.get('gateway')
  const before = (await audit('verify')).json<Checked>()
  await mesh.start(['gateway'])
  expect(await gateway.end('SIGTERM')).toBe(0)
  const out = join(mesh.dir, 'audit.ndjson')
  const exported = (await audit('export', '--out', out)).json<Checked>()
  expect(exported).toMatchObject({ sealed: exported.records, peerId: gateway.node.peerId, faultCount: 0 })
  expect((await audit('list', '--limit', '3')).json<Listed>().records.map(({ kind }) => kind)).toEqual([
    'node-started',
    'node-stopped',
    'audit-sealed',
  ])
  const record = `${before.newest.sequence}:${before.newest.hash}`
  const peer = gateway.node.peerId
  expect(await audit('verify', out, '--peer', peer, '--record', record)).toMatchObject({ code: 0 })
  const other = mesh.get('coordinator').node.peerId
  expect((await audit('verify', out, '--peer', other)).json<Checked>().faultCount).toBeGreaterThan(0)

  writeFileSync(out, readFileSync(out, 'utf8').replace('"ci"', '"xy"'))
  const broken = await audit('verify', out, '--peer', peer)
  expect(broken.code).toBe(1)
  expect(broken.json<Checked>().faultCount).toBe(1)
})

it('a log that is not there, and options that mean nothing, say what to do', async () => {
  expect(await mesh.cli(['--node', join(mesh.dir, 'nowhere'), 'audit', 'list'])).toMatchObject({ code: 3 })
  expect(await audit('list', '--kind', 'gossip')).toMatchObject({ code: 2 })
  expect(await audit('verify', '--record', '7')).toMatchObject({ code: 2 })
})
