import { expect } from 'vitest'
import { EdgeCoderError } from '../../src/core/errors.js'
import type { GenerationEvent } from '../../src/ports/engine.js'

/** All that one generation gave. */
export interface Answer {
  readonly text: string
  readonly texts: readonly Extract<GenerationEvent, { type: 'text' }>[]
  readonly end: Extract<GenerationEvent, { type: 'end' }>
}

export async function answerOf(events: AsyncIterable<GenerationEvent>): Promise<Answer> {
  const texts: Extract<GenerationEvent, { type: 'text' }>[] = []
  let end: Extract<GenerationEvent, { type: 'end' }> | undefined
  for await (const event of events) {
    expect(end, 'an event after the end').toBeUndefined()
    if (event.type === 'end') end = event
    else texts.push(event)
  }
  if (end === undefined) throw new Error('no end')
  return { text: texts.map((event) => event.text).join(''), texts, end }
}

/** The fault that ends it. */
export async function faultIn(events: AsyncIterable<GenerationEvent>): Promise<EdgeCoderError> {
  try {
    await answerOf(events)
  } catch (error) {
    if (error instanceof EdgeCoderError) return error
    throw error
  }
  throw new Error('it ended without a fault')
}

export async function faultOf(events: AsyncIterable<GenerationEvent>): Promise<string> {
  return (await faultIn(events)).code
}
