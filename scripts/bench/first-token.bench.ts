import { ADMIN_ROUTES } from '../../src/bridge/admin-client.js'
import { createTinyCoder } from '../../test/helpers/tiny-coder.js'
import { layOutBenchMesh } from './bench-mesh.js'
import { type GenerationTiming, type Question, timeApi, timeEngine } from './generation-timing.js'
import type { Metrics } from './main.js'
import { median } from './quantile.js'

const LONGEST_MS = 25_000
const ROUNDS = 40
const WARM_UP = 3
const LEAST_RATES = 8
/** Of what the demo model knows, the functions with the longest bodies. */
const FUNCTIONS = [
  ['isPrime', 'tests whether n is a prime number'],
  ['fibonacci', 'computes the nth fibonacci number'],
  ['factorial', 'computes the factorial of n'],
  ['gcd', 'computes the greatest common divisor'],
] as const

interface Round {
  readonly alone: GenerationTiming
  readonly mesh: GenerationTiming
}

/**
 * What the mesh adds: the same prompts by turns to the embedded engine alone, in this process, and to the gateway's
 * OpenAI API, whose answer streams from the engine through worker and gateway, each a process of its own.
 */
export async function bench(): Promise<Metrics> {
  const mesh = await layOutBenchMesh({ coordinators: 1, workers: 1, gateways: 1 })
  const [engine] = await Promise.all([createTinyCoder(), mesh.start()])
  const { secret } = await mesh
    .get('gateway')
    .client()
    .call(ADMIN_ROUTES.keyCreate, { body: { name: 'bench' } })
  const alone = (question: Question) => timeEngine(engine, question)
  const throughMesh = (question: Question) => timeApi(mesh.bridgeUrl, secret, question)
  const rounds: Round[] = []
  const endMs = performance.now() + LONGEST_MS
  for (let number = 0; number < ROUNDS && performance.now() < endMs; number++) {
    const question = questionOf(number)
    // By turns first, so that neither always finds the machine as the other left it.
    if (number % 2 === 0) rounds.push({ alone: await alone(question), mesh: await throughMesh(question) })
    else rounds.push({ mesh: await throughMesh(question), alone: await alone(question) })
  }
  await engine.close()
  await mesh.close()
  const counted = rounds.slice(WARM_UP)
  const rates = counted.flatMap(({ alone, mesh: through }) =>
    alone.tokensPerS === undefined || through.tokensPerS === undefined
      ? []
      : [{ alone: alone.tokensPerS, mesh: through.tokensPerS }],
  )
  if (rates.length < LEAST_RATES)
    throw new Error(`only ${rates.length} of ${counted.length} rounds show a rate`)
  return {
    added_ms_p50: median(counted.map((round) => round.mesh.firstMs - round.alone.firstMs)),
    throughput_ratio: median(rates.map((rate) => rate.mesh)) / median(rates.map((rate) => rate.alone)),
    engine_tokens_per_s: median(rates.map((rate) => rate.alone)),
  }
}

function questionOf(number: number): Question {
  const [name, does] = FUNCTIONS[number % FUNCTIONS.length] ?? FUNCTIONS[0]
  return { model: 'tiny-coder', prompt: `Write a JavaScript function ${name} that ${does}.`, maxTokens: 200 }
}
