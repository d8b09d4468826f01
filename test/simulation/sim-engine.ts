import { EdgeCoderError } from '../../src/core/errors.js'
import type { Clock } from '../../src/ports/clock.js'
import type { Engine } from '../../src/ports/engine.js'
import type { Random } from '../../src/ports/random.js'
import type { SandboxJob } from '../../src/ports/sandbox.js'
import { sha256 } from '../../src/wire/sha256.js'
import { type Script, ScriptedEngine, ScriptedSandbox } from '../helpers/scripted-machinery.js'
import { createDice } from './dice.js'
import { type EngineTrouble, SECRET, type WorkerPlan } from './plan.js'

/** Longer than any task may run. */
const NEVER_MS = 10_000_000

/** A model that says something else at every attempt, so that two results of one task would be told apart. */
export function simEngine(
  clock: Clock,
  random: Random,
  plan: WorkerPlan,
  trouble: () => EngineTrouble | undefined,
): Engine {
  const dice = createDice(random)
  return new ScriptedEngine(clock, (generation, count): Script => {
    const isCode = generation.messages.some(({ content }) => content.includes('isPrime'))
    const tokens = isCode
      ? [`function isPrime(n) { return n > ${dice.whole(0, 999_999)}; } // ${SECRET}`]
      : Array.from({ length: dice.whole(1, 60) }, (_, index) => `${plan.name}.${count}.${index} ${SECRET} `)
    const half = tokens.slice(0, tokens.length >> 1)
    const tokenMs = plan.tokenMs
    switch (trouble()) {
      case 'fails':
        return { tokens: half, tokenMs, fault: new EdgeCoderError('engine-failed', 'The model broke.') }
      case 'too-long':
        return { tokens: [], fault: new EdgeCoderError('context-too-long', 'The prompt does not fit.') }
      case 'hangs':
        return { tokens, tokenMs: NEVER_MS }
      case 'slow':
        return { tokens, tokenMs: 20 * tokenMs }
      case undefined:
        return { tokens, tokenMs }
    }
  })
}

/** Tests fail now and then, so that some solutions are mended. */
export function simSandbox(clock: Clock, random: Random, plan: WorkerPlan): ScriptedSandbox {
  const dice = createDice(random)
  // The same tests come to the same everywhere, as workers are compared by it.
  const judge = (job: SandboxJob) =>
    fails(job)
      ? ({ verdict: 'failed', exitCode: 1, stderr: `${SECRET} ${dice.whole(0, 999_999)}` } as const)
      : { stdout: `ok ${SECRET} ${dice.whole(0, 999_999)}\n` }
  return new ScriptedSandbox(clock, judge, plan.runMs)
}

/** Three in ten of all suites. */
function fails({ files }: SandboxJob): boolean {
  const all = files.map(({ path, content }) => `${path}\n${Buffer.from(content).toString()}`).join('\0')
  return (sha256(all)[0] ?? 0) < 0.3 * 256
}

/** What a worker says of its models. */
export function modelsOf({ models, tokenMs }: WorkerPlan) {
  return models.map((name) => ({ name, contextTokens: 0, tokensPerS: 1000 / tokenMs, warm: name === 'tiny' }))
}
