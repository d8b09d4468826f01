import type { Engine } from '../../src/ports/engine.js'

/** One generation as its reader saw it. */
export interface GenerationTiming {
  readonly firstMs: number
  /**
   * After the first piece of text, until the last. The demo model makes one character a token. Undefined when all came
   * in one piece, as it may on a busy machine.
   */
  readonly tokensPerS: number | undefined
}

export interface Question {
  readonly model: string
  readonly prompt: string
  readonly maxTokens: number
}

/** Notes when pieces of text come. */
class Stopwatch {
  readonly #startedMs = performance.now()
  #firstMs = 0
  #firstLength = 0
  #lastMs = 0
  #length = 0

  text(text: string): void {
    if (text === '') return
    const nowMs = performance.now()
    if (this.#length === 0) {
      this.#firstMs = nowMs
      this.#firstLength = text.length
    }
    this.#length += text.length
    this.#lastMs = nowMs
  }

  end(): GenerationTiming {
    if (this.#length === 0) throw new Error('the answer was empty')
    const firstMs = this.#firstMs - this.#startedMs
    if (this.#length === this.#firstLength) return { firstMs, tokensPerS: undefined }
    const seconds = (this.#lastMs - this.#firstMs) / 1000
    return { firstMs, tokensPerS: (this.#length - this.#firstLength) / seconds }
  }
}

/** Asks an engine itself. */
export async function timeEngine(engine: Engine, question: Question): Promise<GenerationTiming> {
  const watch = new Stopwatch()
  const generation = {
    model: question.model,
    messages: [{ role: 'user', content: question.prompt } as const],
    maxOutputTokens: question.maxTokens,
    temperature: 0,
  }
  for await (const event of engine.generate(generation, AbortSignal.timeout(30_000)))
    if (event.type === 'text') watch.text(event.text)
  return watch.end()
}

/** Asks an OpenAI-compatible API, streaming. */
export async function timeApi(url: string, key: string, question: Question): Promise<GenerationTiming> {
  const watch = new Stopwatch()
  const answer = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      model: question.model,
      messages: [{ role: 'user', content: question.prompt }],
      max_tokens: question.maxTokens,
      temperature: 0,
      stream: true,
    }),
    signal: AbortSignal.timeout(30_000),
  })
  if (!answer.ok || answer.body === null) throw new Error(`HTTP ${answer.status}: ${await answer.text()}`)
  let rest = ''
  for await (const piece of answer.body.pipeThrough(new TextDecoderStream())) {
    const events = `${rest}${piece}`.split('\n\n')
    rest = events.pop() ?? ''
    for (const event of events) watch.text(textOf(event))
  }
  return watch.end()
}

function textOf(event: string): string {
  const data = event.startsWith('data: ') ? event.slice('data: '.length) : ''
  if (data === '' || data === '[DONE]') return ''
  const chunk: { readonly choices?: readonly { readonly delta?: { readonly content?: string } }[] } =
    JSON.parse(data)
  return chunk.choices?.[0]?.delta?.content ?? ''
}
