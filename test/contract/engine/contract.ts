import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { runInNewContext } from 'node:vm'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Engine, Generation } from '../../../src/ports/engine.js'
import { type Answer, answerOf, faultOf } from '../../helpers/answers.js'
import { TINY_CODER_PATH } from '../../helpers/tiny-coder.js'

const MODEL = 'tiny-coder'
const PRIME_PROMPT = 'Write a JavaScript function isPrime that tests whether n is a prime number.'
const never = new AbortController().signal

/** Makes engines that know `tiny-coder` with 512 tokens of context and run two generations at once. */
export interface EnginePlace {
  make(): Promise<Engine>
  /** Generations under way now, as the far side counts them; undefined where nobody can tell. */
  generating(): number | undefined
  remove(): Promise<void>
}

function ask(content: string, more: Partial<Generation> = {}): Generation {
  return { model: MODEL, messages: [{ role: 'user', content }], maxOutputTokens: 300, ...more }
}

/** What every Engine must do. */
export function engineContract(makePlace: () => Promise<EnginePlace>): void {
  let place: EnginePlace
  let engine: Engine

  beforeAll(async () => {
    place = await makePlace()
    engine = await place.make()
    // Loads the model within a hook's longer deadline.
    await answerOf(engine.generate(ask(PRIME_PROMPT, { maxOutputTokens: 1 }), never))
  })

  afterAll(async () => {
    await engine?.close()
    await place?.remove()
  })

  const answer = (generation: Generation): Promise<Answer> => answerOf(engine.generate(generation, never))

  test('lists the model with its window, warm since it was used', async () => {
    // Each of these engines knows the file, and tells its digest.
    expect(await engine.models()).toEqual([
      {
        name: MODEL,
        contextTokens: 512,
        warm: true,
        digest: createHash('sha256').update(readFileSync(TINY_CODER_PATH)).digest('hex'),
      },
    ])
  })

  test('writes code that works', async () => {
    const { text, end } = await answer(ask(PRIME_PROMPT))
    expect(end.finishReason).toBe('stop')
    const primes = runInNewContext(`${text}; Array.from({ length: 30 }, (_, n) => n).filter(isPrime).join()`)
    expect(primes).toBe('2,3,5,7,11,13,17,19,23,29')
  })

  test('streams in several events whose tokens add up to the count at the end', async () => {
    const { text, texts, end } = await answer(ask(PRIME_PROMPT))
    expect(texts.length).toBeGreaterThan(1)
    expect(texts.reduce((sum, event) => sum + event.tokens, 0)).toBe(end.completionTokens)
    // One character is one token; the end token is counted and not shown.
    expect(end.completionTokens).toBe(text.length + 1)
    // A token for each character of the prompt, and the template around it.
    expect(end.promptTokens).toBe(PRIME_PROMPT.length + 20)
  })

  test('cuts the output at its bound and says so', async () => {
    const { text, end } = await answer(ask(PRIME_PROMPT, { maxOutputTokens: 12 }))
    expect(end).toMatchObject({ finishReason: 'length', completionTokens: 12 })
    expect(text).toBe('function isP')
  })

  test('ends where the window is full', async () => {
    const { end } = await answer(ask('x'.repeat(480), { maxOutputTokens: 1_000 }))
    expect(end.finishReason).toBe('length')
    expect(end.promptTokens + end.completionTokens).toBe(512)
  })

  test('stops before a stop string, which spans tokens', async () => {
    const { text, end } = await answer(ask(PRIME_PROMPT, { stop: ['never said', 'for (let'] }))
    expect(end.finishReason).toBe('stop')
    expect(text).toBe('function isPrime(n) { if (n < 2) return false; ')
    expect(end.completionTokens).toBeGreaterThanOrEqual(text.length)
  })

  test('says the same for the same seed, whatever was said between', async () => {
    const seeded = (seed: number): Generation =>
      ask('Tell me something new.', { temperature: 1.5, seed, maxOutputTokens: 40 })
    const first = await answer(seeded(7))
    const other = await answer(seeded(8))
    const second = await answer(seeded(7))
    expect(second.text).toBe(first.text)
    expect(other.text).not.toBe(first.text)
  })

  test('heeds what came before in the conversation', async () => {
    const { end } = await answer({
      model: MODEL,
      messages: [
        { role: 'system', content: 'You write code.' },
        { role: 'user', content: 'Implement add in JavaScript: it adds two numbers.' },
        { role: 'assistant', content: 'function add(a, b) { return a + b; }' },
        { role: 'user', content: PRIME_PROMPT },
      ],
      maxOutputTokens: 8,
    })
    const alone = await answer(ask(PRIME_PROMPT, { maxOutputTokens: 8 }))
    expect(end.promptTokens).toBeGreaterThan(alone.end.promptTokens + 90)
  })

  test('keeps generations at the same time apart', async () => {
    const wanted = new Map([
      ['Implement add in JavaScript: it adds two numbers.', 'function add(a, b) { return a + b; }'],
      ['Implement square in JavaScript: it squares a number.', 'function square(n) { return n * n; }'],
      ['function isEven that returns true for even numbers', 'function isEven(n) { return n % 2 === 0; }'],
      ['function repeat that returns the string repeated', 'function repeat(s, n) { return s.repeat(n); }'],
    ])
    const answers = await Promise.all([...wanted.keys()].map((prompt) => answer(ask(prompt))))
    expect(answers.map(({ text }) => text)).toEqual([...wanted.values()])
  })

  test('stops when cancelled and is free for the next', async () => {
    for (let i = 0; i < 4; i++) {
      const stop = new AbortController()
      let heard = 0
      const cancelledHalfway = async (): Promise<string> =>
        faultOf(
          (async function* () {
            for await (const event of engine.generate(ask(PRIME_PROMPT), stop.signal)) {
              heard++
              stop.abort()
              yield event
            }
          })(),
        )
      expect(await cancelledHalfway()).toBe('cancelled')
      expect(heard).toBe(1)
    }
    expect((await answer(ask(PRIME_PROMPT, { maxOutputTokens: 12 }))).text).toBe('function isP')
    await expect.poll(() => place.generating() ?? 0).toBe(0)
  })

  test('stops when the reader stops reading', async () => {
    for (let i = 0; i < 4; i++) {
      for await (const event of engine.generate(ask(PRIME_PROMPT), never)) {
        expect(event.type).toBe('text')
        break
      }
    }
    expect((await answer(ask(PRIME_PROMPT, { maxOutputTokens: 12 }))).text).toBe('function isP')
    await expect.poll(() => place.generating() ?? 0).toBe(0)
  })

  test('does not begin when cancelled before', async () => {
    expect(await faultOf(engine.generate(ask(PRIME_PROMPT), AbortSignal.abort()))).toBe('cancelled')
  })

  test('refuses a model it does not have', async () => {
    expect(await faultOf(engine.generate(ask('hello', { model: 'gpt-none' }), never))).toBe('model-missing')
  })

  test.each([513, 5_000, 200_000])('refuses a prompt of %i tokens for a window of 512', async (tokens) => {
    const fault = faultOf(engine.generate(ask('x'.repeat(tokens - 20)), never))
    expect(await fault).toBe('context-too-long')
  })

  test('when closed, ends what runs and takes no more', async () => {
    const closing = await place.make()
    const fault = faultOf(
      (async function* () {
        for await (const event of closing.generate(ask(PRIME_PROMPT), never)) {
          void closing.close()
          yield event
        }
      })(),
    )
    expect(await fault).toBe('engine-unavailable')
    await closing.close()
    expect(await faultOf(closing.generate(ask(PRIME_PROMPT), never))).toBe('engine-unavailable')
    await expect(closing.models()).rejects.toMatchObject({ code: 'engine-unavailable' })
  })
}
