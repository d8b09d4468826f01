import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createAdminKey } from '../../src/node/admin-policy.js'
import { runCli } from '../helpers/cli.js'
import { createHeldTasks, type HeldTasks } from '../helpers/held-tasks.js'
import { commandsOf, runbookOf } from '../helpers/pages.js'
import { ADMIN, SignedNetwork } from '../helpers/signed-network.js'
import { until } from '../helpers/until.js'

const PASSPHRASE = 'correct horse battery'
/** Of scrypt; a guess of the passphrase of a test may be cheap. */
const COST = 2 ** 10

let held: HeldTasks

beforeAll(async () => {
  held = await createHeldTasks({ coordinators: 2, workers: 1, gateways: 1 })
  const { mesh } = held
  const ann = await createAdminKey(join(mesh.dir, 'ann.key'), PASSPHRASE, COST)
  writeFileSync(join(mesh.dir, 'pass'), `${PASSPHRASE}\n`, { mode: 0o600 })
  const authority = { keys: [ann, ADMIN.publicKey], threshold: 1 }
  const powers = [
    { power: 'incident', authority },
    { power: 'node-state', authority },
  ] as const
  const network = await SignedNetwork.of(mesh, [], { powers })
  await network.openAccount('local')
  await network.openAccount('lender', 'contributor')
  await network.enrol('worker', 'lender')
  await network.grant('local', 20_000_000n, 'first')
  await mesh.start()
}, 120_000)

afterAll(() => held?.close())

it('each command of the incident lists does what it says, one after the other, in a mesh that has work', async () => {
  await held.submit('runs')
  await held.running('runs')
  const { mesh } = held
  const names = new Map([
    ['./coordinator', mesh.get('coordinator-1').node.dataDir],
    ['<peer>', mesh.get('coordinator-2').node.peerId],
  ])
  const commands = runbookOf('### Step by step')
  expect(commands.length).toBeGreaterThan(20)
  for (const command of commands) {
    const [words = []] = commandsOf(`\`${command}\``)
    const args = words.map((word) => names.get(word) ?? word)
    const env = { EDGE_ADMIN_PASSPHRASE_FILE: 'pass' }
    // Others are given what was published a moment ago, and what is unequal then is looked at again.
    const run = await until(
      command,
      async () => {
        const once = await runCli(['--json', ...args], { cwd: mesh.dir, env })
        return (once.code === 0 || !RETRIED.test(command)) && once
      },
      120_000,
    )
    expect([command, run.code, run.stdout, run.stderr]).toEqual([command, 0, run.stdout, ''])
  }
  held.letGo('runs')
  await held.expectDoneOnce('runs')
}, 480_000)

/** What waits for others: a released coordinator comes back within a minute, a worker is named once it is back. */
const RETRIED = /ledger reconcile|incident reopen|drain worker|isolate worker/
