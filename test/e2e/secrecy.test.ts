import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { z } from 'zod'
import { TASK_ROUTES } from '../../src/bridge/admin-client.js'
import type { SubmissionJson } from '../../src/bridge/schemas/submission.js'
import { GATED_MODEL, gatedEngine, HOLD } from '../helpers/gated-engine.js'
import { type OpenAiServer, startOpenAiServer } from '../helpers/openai-server.js'
import { createProcessMesh, type ProcessMesh } from '../helpers/process-mesh.js'
import { wordsInFolder, wordsInMemory, wordsInStore } from '../helpers/traces.js'
import { until } from '../helpers/until.js'

const tag = `zq${randomBytes(8).toString('hex')}`
/** One word for each place where something of the user's is. */
const SECRET = {
  prompt: `${tag}prompt`,
  system: `${tag}system`,
  answer: `${tag}answer`,
  instructions: `${tag}instructions`,
  target: `${tag}target`,
  fileName: `${tag}filename`,
  content: `${tag}content`,
  argument: `${tag}argument`,
  output: `${tag}output`,
  program: `${tag}program`,
  fault: `${tag}fault`,
} as const
const SECRETS = Object.values(SECRET)
const NONE = new Set<string>()
/** No secret: the coordinator must know it, which shows that it would be found there. */
const TASK_ID = `known${randomBytes(8).toString('hex')}`

const engine = gatedEngine((prompt) => `${SECRET.answer} \`\`\`js\n// ${prompt}\n\`\`\`\n`)
let server: OpenAiServer
let mesh: ProcessMesh

beforeAll(async () => {
  server = await startOpenAiServer({ engine })
  mesh = await createProcessMesh(
    { coordinators: 1, workers: 1, gateways: 1 },
    { EDGE_ENGINE: server.url, EDGE_LOG_LEVEL: 'debug' },
  )
  await mesh.start()
}, 120_000)

afterAll(async () => {
  await mesh?.close()
  await server?.close()
})

const suite = {
  files: [
    { path: `lib/${SECRET.fileName}.js`, content: `console.log("${SECRET.content}")` },
    { path: 'bad.js', content: `console.log("${SECRET.output}"); process.exit(1)` },
  ],
  language: 'javascript' as const,
}

function gateway() {
  return mesh.get('gateway').client()
}

/** Follows a task to its end. @returns how it ended, with the code of the reason if there is one */
async function ended(id: string): Promise<string> {
  for await (const _ of gateway().events(id, { signal: AbortSignal.timeout(60_000) }));
  const { state, why } = await gateway().call(TASK_ROUTES.show, { params: { id } })
  return why === undefined ? state : `${state}: ${why.code}`
}

/** Everything the coordinator tells about itself, its queue and these tasks. */
async function answersOfCoordinator(ids: readonly string[]): Promise<string> {
  const coordinator = mesh.get('coordinator')
  const paths = [
    ...['/status', '/config', '/peers', '/models', '/coordinator/queue', '/coordinator/workers'],
    ...ids.map((id) => `/coordinator/explain/local/${id}`),
  ]
  const answers = await Promise.all(paths.map((path) => coordinator.admin(path)))
  const metrics = await fetch(`http://127.0.0.1:${coordinator.node.adminPort}/metrics`)
  return JSON.stringify(answers) + (await metrics.text())
}

const chat = {
  kind: 'chat' as const,
  messages: [
    { role: 'system' as const, content: SECRET.system },
    { role: 'user' as const, content: `${HOLD} ${SECRET.prompt}` },
  ],
}
const good = ['node', `lib/${SECRET.fileName}.js`, SECRET.argument]
const solve = {
  kind: 'solve' as const,
  model: GATED_MODEL,
  instructions: SECRET.instructions,
  target: `${SECRET.target}.js`,
  suite: { ...suite, command: good },
}
const passing = { kind: 'test' as const, suite: { ...suite, command: good } }
const failing = { kind: 'test' as const, suite: { ...suite, command: ['node', 'bad.js', SECRET.argument] } }
const noProgram = { kind: 'test' as const, suite: { ...suite, command: [`./${SECRET.program}`] } }

async function submit(body: z.input<typeof SubmissionJson>): Promise<string> {
  return (await gateway().call(TASK_ROUTES.submit, { body })).id
}

it('nothing of what users send and get passes the coordinator or a log', async () => {
  const running = await submit({ ...chat, id: TASK_ID })
  await until('the answer to begin', () => engine.waiting.length > 0)
  expect(wordsInMemory(mesh.get('gateway').pid, [SECRET.answer])).toEqual(new Set([SECRET.answer]))
  expect(wordsInMemory(mesh.get('worker').pid, [SECRET.prompt])).toEqual(new Set([SECRET.prompt]))
  expect(wordsInMemory(mesh.get('coordinator').pid, [...SECRETS, TASK_ID])).toEqual(new Set([TASK_ID]))
  expect(await answersOfCoordinator([running])).not.toContain(tag)
  engine.letGo(HOLD)
  expect(await ended(running)).toBe('done')

  const ids = [await submit(solve), await submit(passing), await submit(failing), await submit(noProgram)]
  const ends = await Promise.all(ids.map(ended))
  expect(ends).toEqual(['done', 'done', 'done', 'failed: command-unsupported'])

  // An engine that quotes the prompt in its error.
  server.fault = { type: 'status', status: 500, body: `{"error":{"message":"no: ${SECRET.fault}"}}` }
  const content = `fail ${SECRET.fault}`
  const faulty = { kind: 'chat' as const, maxAttempts: 1, messages: [{ role: 'user' as const, content }] }
  const failed = await submit(faulty)
  expect(await ended(failed)).toBe('failed: attempts-exhausted')

  // And tasks that wait for a worker.
  await mesh.kill('worker')
  const waiting = [await submit(chat), await submit(solve), await submit(noProgram), await submit(faulty)]
  expect(await answersOfCoordinator([running, ...ids, failed, ...waiting])).not.toContain(tag)
  expect(wordsInMemory(mesh.get('coordinator').pid, SECRETS)).toEqual(NONE)

  await mesh.kill('coordinator', 'gateway')
  for (const { log, node } of mesh.nodes.values()) {
    expect(log, `the log of ${node.name}`).not.toContain(tag)
    expect(log, `the log of ${node.name} holds anything at all`).toContain('node-started')
  }
  const folderOf = (name: string) => mesh.get(name).node.dataDir
  expect(wordsInFolder(folderOf('coordinator'), SECRETS)).toEqual(NONE)
  const kept = await wordsInStore(join(folderOf('coordinator'), 'store'), [...SECRETS, TASK_ID])
  expect(kept).toEqual(new Set([TASK_ID]))
  expect(wordsInFolder(folderOf('worker'), SECRETS)).toEqual(NONE)
  // The gateway keeps it for its user, so this search can find.
  expect(await wordsInStore(join(folderOf('gateway'), 'store'), SECRETS)).toEqual(new Set(SECRETS))
}, 180_000)
