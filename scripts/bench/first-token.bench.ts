import { ADMIN_ROUTES } from '../../src/bridge/admin-client.js'
import { startOpenAiServer } from '../../test/helpers/openai-server.js'
import type { ProcessMesh } from '../../test/helpers/process-mesh.js'
import { createTinyCoder } from '../../test/helpers/tiny-coder.js'
import { layOutBenchMesh } from './bench-mesh.js'
import { type GenerationTiming, type Question, timeApi, timeEngine } from './generation-timing.js'
import type { Metrics } from './main.js'
import { median } from './quantile.js'
import { pacedEngine } from './scripted-engine.js'

const LONGEST_MS = 14_000
const ROUNDS = 40
const WARM_UP = 3
const LEAST_RATES = 8
const LONG_TOKENS = 800
const LONG_TOKENS_PER_S = 400
const LONG_ROUNDS = 4
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
 * What the mesh adds to the first token, and what it takes of the speed. Each question goes by turns to the engine alone
 * and to the gateway's OpenAI API, whose answer streams through worker and gateway, each a process of its own.
 *
 * The first token is of the embedded engine. The speed is of long answers by an engine of a known rate, faster than
 * most people's; the embedded model's own answers of 70 ms are shown too, where each millisecond at the end counts.
 */
export async function bench(): Promise<Metrics> {
  return { ...(await embedded()), ...(await longAnswers()) }
}

/** Long answers at a steady rate, by an engine behind HTTP. */
async function longAnswers(): Promise<Metrics> {
  const server = await startOpenAiServer({ engine: pacedEngine(LONG_TOKENS, LONG_TOKENS_PER_S) })
  const mesh = await layOutBenchMesh(
    { coordinators: 1, workers: 1, gateways: 1 },
    { EDGE_ENGINE: server.url },
  )
  await mesh.start()
  const key = await keyOf(mesh)
  const question = { model: 'bench-model', prompt: 'at length', maxTokens: LONG_TOKENS }
  const alone: number[] = []
  const through: number[] = []
  for (let round = 0; round < LONG_ROUNDS; round++) {
    alone.push((await timeApi(server.url, '', question)).tokensPerS ?? 0)
    through.push((await timeApi(mesh.bridgeUrl, key, question)).tokensPerS ?? 0)
  }
  await mesh.close()
  await server.close()
  return { throughput_ratio: median(through) / median(alone), long_answer_tokens_per_s: median(alone) }
}

async function keyOf(mesh: ProcessMesh): Promise<string> {
  const client = mesh.get('gateway').client()
  return (await client.call(ADMIN_ROUTES.keyCreate, { body: { name: 'bench' } })).secret
}

async function embedded(): Promise<Metrics> {
  const mesh = await layOutBenchMesh({ coordinators: 1, workers: 1, gateways: 1 })
  const [engine] = await Promise.all([createTinyCoder(), mesh.start()])
  const secret = await keyOf(mesh)
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
    demo_throughput_ratio: median(rates.map((rate) => rate.mesh)) / median(rates.map((rate) => rate.alone)),
    demo_tokens_per_s: median(rates.map((rate) => rate.alone)),
  }
}

function questionOf(number: number): Question {
  const [name, does] = FUNCTIONS[number % FUNCTIONS.length] ?? FUNCTIONS[0]
  return { model: 'tiny-coder', prompt: `Write a JavaScript function ${name} that ${does}.`, maxTokens: 200 }
}
