import { setTimeout as sleep } from 'node:timers/promises'
import { type AdminClient, TASK_ROUTES } from '../src/bridge/admin-client.js'
import type { ProgressJson } from '../src/bridge/schemas/task.js'
import { EdgeCoderError, ERRORS, type ErrorCode, isErrorCode } from '../src/core/errors.js'
import { waiting } from './goes-on.js'
import { lastPaymentOf } from './payment.js'
import type { Output } from './print/output.js'
import { resultText, stateLine } from './print/task-text.js'
import { paymentText } from './print/wallet-text.js'
import type { Session } from './session.js'

/** With the waits below, half a minute: a slow machine starts a gateway in ten seconds. */
const RETRIES = 16
const RETRY_MS = 500
const LONGEST_RETRY_MS = 2_000
const AWAY: ReadonlySet<ErrorCode> = new Set(['link-closed', 'unreachable', 'shutting-down', 'starting'])

/**
 * Follows a task to its end: text to stdout as it comes, states and stages to stderr, then the result. Goes
 * on where it was when the gateway restarts. With --json, one event a line, then the result.
 *
 * @param reach connects anew: a restarted gateway has another token
 * @returns the exit code: 0 when it is done (and, for solve and test, its tests passed)
 */
export function watchTask(reach: () => AdminClient, id: string, session: Session): Promise<number> {
  const going = { what: `Task ${id} goes on.`, next: `edgecoder task watch ${id}` }
  return waiting(session, going, () => watched(reach, id, session))
}

async function watched(reach: () => AdminClient, id: string, session: Session): Promise<number> {
  const { out, signal } = session
  const patience = new Patience(session)
  const seen = await follow(reach, id, session, patience)
  const task = await patience.with(() => reach().call(TASK_ROUTES.show, { params: { id }, signal }))
  if (task.state !== 'done') {
    const code = task.why?.code ?? 'internal'
    throw new EdgeCoderError(
      isErrorCode(code) ? code : 'internal',
      `${id} ${task.state}: ${task.why?.message ?? ''}`,
      {
        next: task.why?.next ?? `edgecoder task explain ${id}`,
      },
    )
  }
  const result = await patience.with(() => reach().call(TASK_ROUTES.result, { params: { id }, signal }))
  out.line({ type: 'result', result }, () => resultText(result, { withText: !seen.textShown }))
  const payment = await lastPaymentOf(reach(), id, signal)
  if (payment !== undefined) out.line({ type: 'payment', payment }, () => `— cost ${paymentText(payment)}`)
  if (result.kind === 'chat') return 0
  const passed = result.kind === 'solve' ? result.solved : result.report.verdict === 'passed'
  return passed ? 0 : ERRORS.internal.exit
}

/** Shows events to people; remembers what is on the line already. */
export class Screen {
  readonly #out: Output
  #stage = ''
  /** Line ends of a stage's text that are written once more text follows. */
  #owed = ''
  #textOnLine = false
  textShown = false

  constructor(out: Output) {
    this.#out = out
  }

  show(event: ProgressJson): void {
    if (event.type === 'text') {
      this.#out.raw(event.text)
      this.textShown = true
      this.#textOnLine = !event.text.endsWith('\n')
    } else if (event.type === 'stage') this.#showStage(event)
    else if (event.type === 'state') this.#say(stateLine(event.task))
    else this.#say(`  attempt ${event.attempt} begins anew; the text above is void`)
  }

  /** The text of one stage comes in pieces. */
  #showStage({ stage, iteration, text }: Extract<ProgressJson, { type: 'stage' }>): void {
    const head = `  ${stage}${iteration > 0 ? ` ${iteration}` : ''}: `
    if (head !== this.#stage) {
      this.#out.murmur(`${this.#stage === '' ? '' : '\n'}${head}`)
      this.#owed = ''
    }
    this.#stage = head
    const whole = this.#owed + text
    const shown = whole.trimEnd()
    this.#owed = shown === '' ? whole : whole.slice(shown.length)
    this.#out.murmur(shown === '' ? '' : shown.replaceAll('\n', '\n    '))
  }

  #say(line: string): void {
    if (this.#textOnLine) this.#out.raw('\n')
    this.#textOnLine = false
    this.#out.say(`${this.#stage === '' ? '' : '\n'}${line}`)
    this.#stage = ''
  }
}

async function follow(
  reach: () => AdminClient,
  id: string,
  { out, signal }: Session,
  patience: Patience,
): Promise<{ readonly textShown: boolean }> {
  const screen = new Screen(out)
  let after: number | undefined
  return patience.with(async () => {
    for await (const event of reach().events(id, { signal, ...(after === undefined ? {} : { after }) })) {
      after = event.seq
      patience.renew()
      if (out.json) out.line(event, () => '')
      else screen.show(event)
    }
    return screen
  })
}

/** Asks again while a gateway restarts. */
class Patience {
  readonly #session: Session
  #failures = 0
  #wasAnswered = false

  constructor(session: Session) {
    this.#session = session
  }

  /** It answered, so our token was good until it goes away. */
  renew(): void {
    this.#failures = 0
    this.#wasAnswered = true
  }

  async with<T>(ask: () => Promise<T>): Promise<T> {
    const { out, signal } = this.#session
    for (;;) {
      try {
        const answer = await ask()
        this.renew()
        return answer
      } catch (error) {
        if (!this.#isGone(error) || ++this.#failures > RETRIES) throw error
        if (this.#failures === 1) out.say('  the gateway went away; waiting for it to come back')
        const waitMs = Math.min(RETRY_MS * this.#failures, LONGEST_RETRY_MS)
        await sleep(waitMs, undefined, { signal }).catch(() => {})
        signal.throwIfAborted()
      }
    }
  }

  #isGone(error: unknown): boolean {
    if (!(error instanceof EdgeCoderError)) return false
    if (error.code === 'unauthorized') return this.#wasAnswered
    return AWAY.has(error.code)
  }
}
