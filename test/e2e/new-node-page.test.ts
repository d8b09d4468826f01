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
const START = 'edgecoder node start --settings attic.env'

/** What is in the answer to a command when it is a good one, by how the command ends. */
const GOOD: readonly (readonly [command: RegExp, answer: RegExp])[] = [
  [/node enroll attic --account ann$/, /"text": "ecreg_/],
  [/config validate/, /"valid": true/],
  [/why-idle/, /waits for approval since .*edgecoder admin nodes approve 12D3/s],
  [/node id/, /"peerId": "12D3/],
  [/nodes pending/, /"agent": "attic"/],
  [/nodes approve/, /"state": "published"/],
  [/doctor/, /"ok": true,\n {2}"findings"/],
  [/node rotate/, /"text": "ecreg_/],
  [/node stop/, /"stopped": true/],
  [/enroll list/, /"use": "rotate",[^}]*"state": "spent"/s],
]

let held: HeldTasks

beforeAll(async () => {
  held = await createHeldTasks({ coordinators: 1, workers: 1, gateways: 1 })
  const { mesh } = held
  const ann = await createAdminKey(join(mesh.dir, 'ann.key'), PASSPHRASE, COST)
  writeFileSync(join(mesh.dir, 'pass'), `${PASSPHRASE}\n`, { mode: 0o600 })
  const authority = { keys: [ann, ADMIN.publicKey], threshold: 1 }
  const powers = [
    { power: 'enrol', authority },
    { power: 'node-state', authority },
  ] as const
  const network = await SignedNetwork.of(mesh, [], { powers })
  await network.openAccount('local')
  await network.openAccount('ann', 'contributor')
  await network.grant('local', 20_000_000n, 'first')
  await mesh.start(['coordinator', 'gateway'])
}, 120_000)

afterAll(() => held?.close())

it('each command of the list of a new node does what it says, one after the other, and the node then works', async () => {
  const { mesh } = held
  const attic = mesh.get('worker')
  const names = new Map([
    ['./coordinator', mesh.get('coordinator').node.dataDir],
    ['./attic', attic.node.dataDir],
  ])
  const commands = runbookOf('### A new node, step by step')
  expect(commands.filter((command) => command === START)).toHaveLength(2)
  let registration = ''
  for (const command of commands) {
    if (command === START) {
      // The settings of the mesh are its own; what the page adds to them is this.
      attic.start({ AGENT_ID: 'attic', AGENT_REGISTRATION_TOKEN: registration })
      await attic.statusWhere('answer', () => true)
      continue
    }
    const [words = []] = commandsOf(`\`${command}\``)
    const args = words.map((word) => names.get(word) ?? word)
    const [, good] = GOOD.find(([ending]) => ending.test(command)) ?? []
    const run = await until(
      `${command} to be answered well`,
      async () => {
        const env = { EDGE_ADMIN_PASSPHRASE_FILE: 'pass' }
        const once = await runCli(['--json', ...args], { cwd: mesh.dir, env })
        return once.code === 0 && good?.test(once.stdout) === true && once
      },
      60_000,
    )
    if (!run.stdout.includes('ecreg_')) continue
    registration = run.json<{ text: string }>().text
    const settings = {
      EDGE_RUNTIME_MODE: 'worker',
      AGENT_ID: 'attic',
      AGENT_REGISTRATION_TOKEN: registration,
      EDGE_DATA_DIR: attic.node.dataDir,
      EDGE_NETWORK_FILE: mesh.mesh.networkFile,
    }
    const lines = Object.entries(settings).map((setting) => setting.join('='))
    writeFileSync(join(mesh.dir, 'attic.env'), `${lines.join('\n')}\n`)
  }
  await held.submit('first')
  expect((await held.running('first')).node.name).toBe('worker')
  held.letGo('first')
  await held.expectDoneOnce('first')
}, 300_000)
