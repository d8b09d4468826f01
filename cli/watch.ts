import { type AdminClient, TASK_ROUTES } from '../src/bridge/admin-client.js'
import { EdgeCoderError, ERRORS, isErrorCode } from '../src/core/errors.js'
import { resultText, stateLine } from './print/task-text.js'
import type { Session } from './session.js'

const RETRIES = 5
const RETRY_MS = 500

/**
 * Follows a task to its end: text to stdout as it comes, states and stages to stderr, then the result. Goes on where
 * it was when the gateway restarts. With --json, one event a line, then the result.
 *
 * @returns the exit code: 0 when it is done (and, for solve and test, its tests passed)
 */
export async function watchTask(client: AdminClient, id: string, session: Session): Promise<number> {
  const { out, signal } = session
  const seen = await follow(client, id, session)
  if (seen.textShown) out.raw('\n')
  const task = await client.call(TASK_ROUTES.show, { params: { id }, signal })
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
  const result = await client.call(TASK_ROUTES.result, { params: { id }, signal })
  out.line({ type: 'result', result }, () => resultText(result, { withText: !seen.textShown }))
  if (result.kind === 'chat') return 0
  const passed = result.kind === 'solve' ? result.solved : result.report.verdict === 'passed'
  return passed ? 0 : ERRORS.internal.exit
}

async function follow(
  client: AdminClient,
  id: string,
  session: Session,
): Promise<{ readonly textShown: boolean }> {
  const { out, signal } = session
  let after: number | undefined
  let textShown = false
  for (let failures = 0; ; ) {
    try {
      for await (const event of client.events(id, { signal, ...(after === undefined ? {} : { after }) })) {
        after = event.seq
        failures = 0
        if (out.json) out.line(event, () => '')
        else if (event.type === 'text') {
          out.raw(event.text)
          textShown = true
        } else if (event.type === 'state') out.say(stateLine(event.task))
        else if (event.type === 'stage')
          out.say(`  ${event.stage} ${event.iteration || ''}  ${event.text}`.trimEnd())
        else out.say(`\n  attempt ${event.attempt} begins anew; the text above is void`)
      }
      return { textShown }
    } catch (error) {
      const gone =
        error instanceof EdgeCoderError && (error.code === 'link-closed' || error.code === 'unreachable')
      if (!gone || ++failures > RETRIES) throw error
      out.say('  the gateway went away; waiting for it to come back')
      await new Promise((resolve) => {
        setTimeout(resolve, RETRY_MS * failures)
      })
    }
  }
}
