// Entry of the process that runs llama.cpp; forked by llama-process.ts, which speaks first.
import { EdgeCoderError } from '../../core/errors.js'
import type { LlamaCommand, LlamaReport, LlamaRequest } from './llama-messages.js'
import { type LlamaRunner, loadLlama } from './llama-runner.js'

/**
 * Text made within this time of the last message goes in one; below it the messages would cost more than the
 * tokens.
 */
const GATHER_MS = 5

let loading: Promise<LlamaRunner> | undefined
const running = new Map<number, AbortController>()

const report = (message: LlamaReport): void => {
  if (process.connected) process.send?.(message)
}

async function load(command: Extract<LlamaCommand, { type: 'load' }>): Promise<void> {
  try {
    loading = loadLlama(command.settings)
    await loading
    report({ type: 'loaded' })
  } catch (error) {
    report({ type: 'load-failed', detail: reasonOf(error) })
  }
}

async function generate(id: number, request: LlamaRequest): Promise<void> {
  const abort = new AbortController()
  running.set(id, abort)
  const text = gatherText(id)
  try {
    const runner = await loading
    if (runner === undefined) throw new Error('no model was loaded')
    const end = await runner.generate(request, abort.signal, text.add)
    text.flush()
    report({ type: 'end', id, end })
  } catch (error) {
    text.flush()
    const code = abort.signal.aborted ? 'cancelled' : codeOf(error)
    report({ type: 'failed', id, code, detail: reasonOf(error) })
  } finally {
    running.delete(id)
  }
}

function gatherText(id: number): { add(text: string, tokens: number): void; flush(): void } {
  let text = ''
  let tokens = 0
  let sentMs = Number.NEGATIVE_INFINITY
  let timer: NodeJS.Timeout | undefined
  const flush = (): void => {
    clearTimeout(timer)
    timer = undefined
    if (tokens === 0 && text === '') return
    report({ type: 'text', id, text, tokens })
    text = ''
    tokens = 0
    sentMs = performance.now()
  }
  return {
    flush,
    add(moreText, moreTokens) {
      text += moreText
      tokens += moreTokens
      const waitMs = sentMs + GATHER_MS - performance.now()
      if (waitMs <= 0) flush()
      else timer ??= setTimeout(flush, waitMs)
    },
  }
}

function codeOf(error: unknown): 'context-too-long' | 'engine-failed' {
  return error instanceof EdgeCoderError && error.code === 'context-too-long' ? error.code : 'engine-failed'
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message.slice(0, 200) : 'unknown reason'
}

process.on('message', (command: LlamaCommand) => {
  if (command.type === 'load') void load(command)
  else if (command.type === 'generate') void generate(command.id, command.request)
  else running.get(command.id)?.abort()
})
// Native threads may be at work, so nothing gentler ends the process at once; there is no state to lose.
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'))
// A terminal and systemd signal the whole group. The parent decides when the engine stops: after the drain.
process.on('SIGINT', () => {})
process.on('SIGTERM', () => {})
