import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Command } from 'commander'
import { ADMIN_ROUTES, TASK_ROUTES } from '../../src/bridge/admin-client.js'
import { EdgeCoderError } from '../../src/core/errors.js'
import { connectTo } from '../connection.js'
import { commandOn, readMeshFile, removeMesh } from '../local-mesh/mesh-file.js'
import { heldFault, startMesh } from '../local-mesh/start-mesh.js'
import { stopMesh } from '../local-mesh/stop-mesh.js'
import { duration } from '../print/duration.js'
import { stepsText } from '../print/task-text.js'
import { type Session, sessionOf } from '../session.js'
import { watchTask } from '../watch.js'

const TASK = 'Write a JavaScript function isPrime that tests whether n is a prime number.'
const TEST = `import assert from 'node:assert'
import { isPrime } from './is-prime.js'

const primes = Array.from({ length: 30 }, (_, n) => n).filter((n) => isPrime(n))
assert.deepEqual(primes, [2, 3, 5, 7, 11, 13, 17, 19, 23, 29])
console.log('ok: the primes below 30 are', primes.join(' '))
`

/** `edgecoder quickstart`: a local mesh, a real coding task through it, and what to do next. */
export function registerQuickstart(program: Command): void {
  program
    .command('quickstart')
    .description('start a local mesh and solve a coding task on it')
    .option('--once', 'use a mesh of its own, and stop and remove it at the end')
    .action(async (options: { readonly once?: boolean }, command: Command) => {
      const session = sessionOf(command)
      const indented = (text: string) => session.out.say(`   ${text}`)
      if (options.once !== true) return quickstart(session, session.meshDir, indented)
      const dir = mkdtempSync(join(tmpdir(), 'edgecoder-quickstart-'))
      try {
        await quickstart(session, dir, indented)
      } finally {
        const mesh = readMeshFile(dir)
        if (mesh !== undefined) await stopMesh(mesh, indented)
        removeMesh(dir)
      }
    })
}

async function quickstart(session: Session, dir: string, indented: (text: string) => void): Promise<void> {
  const { out, signal } = session
  out.say('1. A local mesh (`edgecoder up`): 1 coordinator, 2 workers, 1 gateway, each a process of its own')
  const { mesh, readyMs, held } = await startMesh(
    dir,
    { coordinators: 1, workers: 2, gateways: 1 },
    indented,
    signal,
  )
  const [first] = held
  if (first !== undefined) throw heldFault(first)
  out.say(`   ready in ${duration(readyMs)}\n\n2. A coding task (\`edgecoder task submit solve\`): ${TASK}`)
  const gatewayDir = mesh.nodes.find((node) => node.mode === 'gateway')?.dataDir ?? dir
  const reach = () => connectTo(gatewayDir)
  const client = reach()
  const { id } = await client.call(TASK_ROUTES.submit, { body: solveTask(), signal })
  const exitCode = await watchTask(reach, id, session)
  if (exitCode !== 0) {
    throw new EdgeCoderError('internal', 'the mesh ran the task, but its tests did not pass', {
      next: `edgecoder task result ${id}`,
    })
  }
  const result = await client.call(TASK_ROUTES.result, { params: { id }, signal })
  const { task } = result
  const report = result.kind === 'solve' ? result.report.stdout.trim() : ''
  out.say(`\n3. The tests' own words, from the sandbox:\n   ${report}`)
  out.say(`\n4. Who did it: ${task.worker?.agentId} (${task.worker?.peerId})`)
  out.say(`   how long each step took: ${stepsText(task)}`)
  const { bridgeUrl } = await client.call(ADMIN_ROUTES.status, { signal })
  out.answer({ mesh: dir, readyMs, task, bridgeUrl }, () =>
    dir === session.meshDir ? nextText(bridgeUrl, dir) : '',
  )
}

function solveTask() {
  const files = [
    { path: 'package.json', content: '{ "type": "module" }' },
    { path: 'is-prime.test.js', content: TEST },
  ]
  const suite = { files, command: ['node', 'is-prime.test.js'], language: 'javascript' as const }
  return { kind: 'solve' as const, model: '', instructions: TASK, suite, target: 'is-prime.js' }
}

function nextText(bridgeUrl: string | undefined, meshDir: string): string {
  const command = `npx ${commandOn(meshDir)}`
  return `
The mesh is running; its folder is ${meshDir}.
  REST API      ${bridgeUrl}/api/v1   (${bridgeUrl}/openapi.json)
  OpenAI API    ${bridgeUrl}/v1       key: ${command} token create laptop
  ask it        ${command} task submit chat "Write a JavaScript function gcd …"
  its credits   ${command} wallet balance · ${command} wallet history
  look at it    ${command} status · ${command} coordinator workers · ${command} model list
  stop it       ${command} down
The demo model knows two dozen one-line functions. For real work start Ollama, llama.cpp, vLLM or LM Studio
and run \`${command} down && ${command} up\`, or set EDGE_ENGINE=/path/to/model.gguf.`
}
