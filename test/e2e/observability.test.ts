import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { evidenceDigest } from '../../src/node/blacklist.js'
import { type CliRun, runCli } from '../helpers/cli.js'
import { createHeldTasks, type HeldTasks } from '../helpers/held-tasks.js'
import { expressions, metricOf, seriesOf } from '../helpers/observability-files.js'
import { commandsOf, runbookOf } from '../helpers/pages.js'
import { reported, SPARE } from '../helpers/sample-policy.js'
import { SignedNetwork } from '../helpers/signed-network.js'
import { until } from '../helpers/until.js'

interface Doctor {
  readonly ok: boolean
  readonly findings: readonly { readonly check: string; readonly ok: boolean; readonly detail: string }[]
}

/** What the page says that a contributor finds there. */
const USED = ['process_resident_memory_bytes', 'process_cpu_seconds_total', 'edgecoder_worker_busy_slots']

let held: HeldTasks
let network: SignedNetwork

beforeAll(async () => {
  held = await createHeldTasks({ coordinators: 2, workers: 1, gateways: 1 })
  network = await SignedNetwork.of(held.mesh)
  await network.openAccount('local')
  await network.openAccount('lender', 'contributor')
  await network.enrol('worker', 'lender')
  await network.grant('local', 20_000_000n, 'first')
  await held.mesh.start()
}, 120_000)

afterAll(() => held?.close())

it('every metric of the alert rules and of the dashboard is in /metrics of the nodes', async () => {
  await held.submit('one')
  await held.running('one')
  held.letGo('one')
  await held.expectDoneOnce('one')
  const shown = new Set<string>(['up'])
  for (const { node } of held.mesh.nodes.values()) {
    const text = await (await fetch(`http://127.0.0.1:${node.adminPort}/metrics`)).text()
    for (const [, name = ''] of text.matchAll(/^# TYPE (\S+) /gm)) shown.add(name)
  }
  const asked = expressions().flatMap(({ where, expr }) =>
    seriesOf(expr).map((name) => ({ where, name, there: shown.has(name) || shown.has(metricOf(name)) })),
  )
  expect(asked.length).toBeGreaterThan(60)
  expect(asked.filter(({ there }) => !there)).toEqual([])
}, 120_000)

const doctor = (name: string): Promise<CliRun> => held.mesh.cli(['--json', '--node', name, 'doctor'])

function sorted(run: CliRun): ReadonlyMap<string, string> {
  return new Map(run.json<Doctor>().findings.map(({ check, ok, detail }) => [check, `${ok}: ${detail}`]))
}

it('doctor finds nothing wrong with nodes that work, and says what it saw', async () => {
  for (const name of ['coordinator-1', 'gateway', 'worker']) {
    const run = await doctor(name)
    expect([name, run.code, run.json<Doctor>().findings.filter(({ ok }) => !ok)]).toEqual([name, 0, []])
  }
  const coordinator = sorted(await doctor('coordinator-1'))
  expect(coordinator.get('clock')).toMatch(/^true: within .* of 1 coordinator$/)
  for (const name of ['gateway', 'worker'])
    expect(sorted(await doctor(name)).get('clock')).toMatch(/^true: within .* of [12] coordinators?$/)
  expect(coordinator.get('policy')).toMatch(/^true: message 5, issued .* expires in/)
  expect(coordinator.get('port')).toMatch(/^true: .*\(libp2p\) answers$/)
  expect(coordinator.get('mesh')).toMatch(/^true: .* DHT server that knows [1-9]/)
  expect(coordinator.get('audit log')).toMatch(/^true: .* the chain is whole$/)
  expect(sorted(await doctor('worker')).get('reachable')).toMatch(/^true: it only dials/)
}, 120_000)

it('doctor names what is open to others, and ends with 1', async () => {
  const { dataDir } = held.mesh.get('gateway').node
  const key = join(dataDir, 'identity.key')
  chmodSync(key, 0o644)
  const run = await doctor('gateway')
  chmodSync(key, 0o600)
  expect(run.code).toBe(1)
  expect(run.json<Doctor>().findings.filter(({ ok }) => !ok)).toEqual([
    expect.objectContaining({ check: 'permissions', next: `chmod 600 ${key}` }),
  ])
}, 60_000)

it('each command of the daily and weekly lists is answered well by a mesh that works', async () => {
  const { dir, mesh } = held.mesh
  writeFileSync(join(dir, 'coordinator.env'), `EDGE_NETWORK_FILE=${mesh.networkFile}\n`)
  const { dataDir } = held.mesh.get('coordinator-1').node
  mkdirSync(join(dir, 'evidence'))
  writeFileSync(join(dir, 'evidence', 'mail.eml'), 'spam')
  const listed = {
    action: 'add',
    subject: `peer:${SPARE.peer}`,
    reason: 'abuse-spam',
    evidence: evidenceDigest(Buffer.from('spam')),
    expiresMs: 0,
  } as const
  await network.say('blacklist', reported(network.admin, network.id, listed))
  await until('the coordinator to have it', async () => {
    return (await runCli(['--json', '--node', dataDir, 'admin', 'blacklist', 'list'])).stdout.includes(
      SPARE.peer,
    )
  })
  const folders = new Map([
    ['./coordinator', held.mesh.get('coordinator-1').node.dataDir],
    ['./worker', held.mesh.get('worker').node.dataDir],
  ])
  // Where `edgecoder up` has a node write it.
  const worker = held.mesh.get('worker')
  writeFileSync(join(worker.node.dataDir, 'runtime.log'), worker.log)
  const commands = runbookOf('## Each day, each week')
  expect(commands.length).toBeGreaterThan(20)
  for (const command of commands) {
    const [, path] = /^curl -s http:\/\/127\.0\.0\.1:\d+(\/\S+)$/.exec(command) ?? []
    if (path === undefined) {
      const [words = []] = commandsOf(`\`${command}\``)
      const args = words.map((word) => folders.get(word) ?? word)
      const run = await runCli(['--json', ...args], { cwd: dir })
      expect([command, run.code, run.stderr]).toEqual([command, 0, ''])
    } else if (path === '/metrics') {
      const shown = await (await fetch(`http://127.0.0.1:${worker.node.adminPort}${path}`)).text()
      for (const name of USED) expect(shown).toMatch(new RegExp(`^${name} \\d`, 'm'))
    } else {
      const name =
        { coordinator: 'coordinator-1', inference: 'worker' }[path.split('/').at(-1) ?? ''] ?? 'gateway'
      const answer = await fetch(`http://127.0.0.1:${held.mesh.get(name).node.adminPort}${path}`)
      expect([command, answer.status, await answer.json()]).toMatchObject([command, 200, { ready: true }])
    }
  }
}, 240_000)

it('doctor says of a node that does not run what a start would meet', async () => {
  await held.mesh.kill('gateway')
  const run = await doctor('gateway')
  expect(run.code).toBe(1)
  const findings = sorted(run)
  expect([...findings.keys()]).toEqual(
    expect.arrayContaining(['settings', 'disk', 'permissions', 'audit log']),
  )
  expect(findings.get('node')).toMatch(/^false: no node/)
}, 60_000)
