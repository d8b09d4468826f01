import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Command } from 'commander'
import { ADMIN_ROUTES, TASK_ROUTES } from '../../src/bridge/admin-client.js'
import { EdgeCoderError } from '../../src/core/errors.js'
import { connectTo } from '../connection.js'
import { removeMesh } from '../local-mesh/mesh-file.js'
import { startMesh } from '../local-mesh/start-mesh.js'
import { stopMesh } from '../local-mesh/stop-mesh.js'
import { duration } from '../print/duration.js'
import { stepsText } from '../print/task-text.js'
import { sessionOf } from '../session.js'
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
    .option('--once', 'stop the mesh at the end')
    .action(async (options: { readonly once?: boolean }, command: Command) => {
      const session = sessionOf(command)
      const { out, signal } = session
      const once = options.once === true
      // A mesh that is gone at the end must not be the one that somebody works with.
      const meshDir = once ? mkdtempSync(join(tmpdir(), 'edgecoder-quickstart-')) : session.meshDir
      out.say(
        '1. A local mesh: 1 coordinator, 2 workers, 1 gateway, each a process of its own (`edgecoder up`)',
      )
      const { mesh, readyMs } = await startMesh(
        meshDir,
        { coordinators: 1, workers: 2, gateways: 1 },
        indented,
        signal,
      )
      try {
        out.say(
          `   ready in ${duration(readyMs)}\n\n2. A coding task (\`edgecoder task submit solve\`): ${TASK}`,
        )
        const client = connectTo(mesh.nodes.find((node) => node.mode === 'gateway')?.dataDir ?? meshDir)
        const files = [
          { path: 'package.json', content: '{ "type": "module" }' },
          { path: 'is-prime.test.js', content: TEST },
        ]
        const suite = { files, command: ['node', 'is-prime.test.js'], language: 'javascript' as const }
        const body = { kind: 'solve' as const, model: '', instructions: TASK, suite, target: 'is-prime.js' }
        const { id } = await client.call(TASK_ROUTES.submit, { body, signal })
        const exitCode = await watchTask(client, id, session)
        const task = await client.call(TASK_ROUTES.show, { params: { id }, signal })
        if (exitCode !== 0) {
          throw new EdgeCoderError('internal', 'the mesh ran the task, but its tests did not pass', {
            next: `edgecoder task result ${id}`,
          })
        }
        const result = await client.call(TASK_ROUTES.result, { params: { id }, signal })
        out.say(
          `\n3. The tests' own words, from the sandbox:\n   ${result.kind === 'solve' ? result.report.stdout.trim() : ''}`,
        )
        out.say(
          `\n4. Who did it: ${task.worker?.agentId} (${task.worker?.peerId})\n   how long: ${stepsText(task)}`,
        )
        const { bridgeUrl } = await client.call(ADMIN_ROUTES.status, { signal })
        out.answer({ mesh: meshDir, readyMs, task, bridgeUrl, running: !once }, () =>
          once ? '' : nextText(bridgeUrl, meshDir),
        )
      } finally {
        if (once) {
          await stopMesh(mesh, indented)
          removeMesh(meshDir)
        }
      }

      function indented(text: string): void {
        out.say(`   ${text}`)
      }
    })
}

function nextText(bridgeUrl: string | undefined, meshDir: string): string {
  return `
The mesh is running; its folder is ${meshDir}.
  REST API      ${bridgeUrl}/api/v1   (${bridgeUrl}/openapi.json)
  OpenAI API    ${bridgeUrl}/v1       key: npx edgecoder token create laptop
  ask it        npx edgecoder task submit chat "Write a JavaScript function gcd that returns the gcd of two numbers."
  look at it    npx edgecoder status · npx edgecoder coordinator workers · npx edgecoder model list
  stop it       npx edgecoder down
The demo model knows two dozen one-line functions. For real work start Ollama (or llama.cpp, vLLM, LM Studio) and run
\`npx edgecoder down && npx edgecoder up\`, or set EDGE_ENGINE=/path/to/model.gguf.`
}
