import type { DisputeJson } from '../../src/bridge/schemas/dispute.js'
import type { ExplanationJson, ResultJson, TaskJson } from '../../src/bridge/schemas/task.js'
import type { PaymentJson } from '../../src/bridge/schemas/wallet.js'
import { ago, duration } from './duration.js'
import { facts, table } from './table.js'
import { paymentText } from './wallet-text.js'

/** One line that says how a task stands. */
export function stateLine(task: TaskJson): string {
  const worker = task.worker === undefined ? '' : ` on ${task.worker.agentId}`
  const position = task.position === undefined ? '' : `, ${task.position} ahead of it`
  const why = task.why === undefined ? '' : `: ${task.why.message}`
  return `  ${task.state}${worker}${position}${why}`
}

/** How a disputed result stands, in one line. */
export function disputeText({ state, verifier, untilMs, votes, detail }: DisputeJson): string {
  const until = `until ${new Date(untilMs).toISOString()}`
  if (verifier !== undefined && state === 'waiting') {
    return `in dispute, waiting for verifier ${verifier.peerId} of owner ${verifier.owner} ${until}`
  }
  if (state === 'waiting') return `in dispute ${until}: ${detail}`
  const runs = `${votes} ${votes === 1 ? 'run' : 'runs'}`
  if (state === 'stands') return `the result stands: ${detail} (${runs})`
  if (state === 'refuted') return `the result is refuted: ${detail} (${runs})`
  return `undecided: ${detail} (${runs})`
}

/**
 * `task show` for people.
 *
 * @param payment absent = it is not known what it costs @param dispute absent = its result is not disputed
 */
export function taskText(task: TaskJson, payment?: PaymentJson, dispute?: DisputeJson): string {
  return facts([
    ['Task', task.id],
    ['State', stateLine(task).trim()],
    ['Kind', task.kind],
    ['Model', task.kind === 'test' ? undefined : task.usage?.model || task.model || 'any'],
    ['Submitted', ago(task.submittedMs)],
    ['Attempt', `${task.attempt} of ${task.maxAttempts}`],
    ['Worker', task.worker && `${task.worker.agentId} (${task.worker.peerId})`],
    ['Coordinator', task.coordinator],
    ['Steps', stepsText(task)],
    ['Used', usageText(task.usage)],
    ['Hidden', task.hidden && `tests ${task.hidden.verdict}`],
    ['Cost', payment && paymentText(payment)],
    ['Dispute', dispute && disputeText(dispute)],
    ['Next', task.why?.next ?? (task.state === 'queued' ? `edgecoder task explain ${task.id}` : undefined)],
  ])
}

/** Each step with how long after the one before it came. */
export function stepsText(task: TaskJson): string | undefined {
  if (task.steps.length === 0) return undefined
  return task.steps
    .map(({ name, atMs }, index) => {
      const before = task.steps[index - 1]
      return before === undefined ? name : `${name} +${duration(atMs - before.atMs)}`
    })
    .join(' · ')
}

function usageText(usage: TaskJson['usage']): string | undefined {
  if (usage === undefined) return undefined
  return [
    usage.completionTokens > 0 ? `${usage.promptTokens} + ${usage.completionTokens} tokens` : '',
    usage.engineMs > 0 ? `engine ${duration(usage.engineMs)}` : '',
    usage.sandboxMs > 0 ? `sandbox ${duration(usage.sandboxMs)}` : '',
  ]
    .filter((part) => part !== '')
    .join(', ')
}

/** `task list` for people. */
export function taskTable(page: {
  readonly tasks: readonly TaskJson[]
  readonly next?: string | undefined
}): string {
  if (page.tasks.length === 0) return 'No tasks.'
  const rows = page.tasks.map((task) => [
    task.id,
    task.kind,
    task.state,
    ago(task.submittedMs),
    task.worker?.agentId ?? '',
    task.usage?.model ?? task.model,
    task.why?.message ?? '',
  ])
  const more = page.next === undefined ? '' : `\nmore: edgecoder task list --cursor ${page.next}`
  return table(['task', 'kind', 'state', 'submitted', 'worker', 'model', 'why'], rows) + more
}

/** `task explain` for people. */
export function explanationText(explained: ExplanationJson): string {
  const rows = explained.candidates.map((one) => [
    one.agentId || one.worker,
    one.eligible ? 'yes' : 'no',
    one.reasons.map((reason) => reason.message).join('; '),
  ])
  const head = `${explained.task.id}: ${explained.summary}`
  if (rows.length === 0) return head
  const left = explained.workers - rows.length
  const more = left > 0 ? `\n… and ${left} more workers` : ''
  return `${head}\n\n${table(['worker', 'can take it', 'why not'], rows)}${more}`
}

/** `task result` for people. @param withText false when the text of a chat has been shown already */
export function resultText(
  result: ResultJson,
  { withText }: { readonly withText: boolean } = { withText: true },
): string {
  const worker = result.task.worker?.agentId ?? 'a worker'
  const used = usageText(result.usage) ?? ''
  const by = `by ${worker}${result.usage.model === '' ? '' : ` with ${result.usage.model}`} (${used})`
  if (result.kind === 'chat') {
    const cut = result.finishReason === 'length' ? ' · cut off at the token bound' : ''
    return `${withText ? `${result.text}\n` : ''}— done ${by}${cut}`
  }
  const { report } = result
  const run = `exit ${report.exitCode}, ${duration(report.durationMs)}, ${report.sandbox} sandbox`
  const verdict = `tests ${report.verdict} (${run})`
  if (result.kind === 'test') return `${report.stdout}${report.stderr}— ${verdict} ${by}`
  const rounds = `${result.iterations} ${result.iterations === 1 ? 'round' : 'rounds'}`
  const output = result.solved ? '' : `${report.stdout}${report.stderr}`
  return `${result.patch}${output}— ${result.solved ? 'solved' : 'NOT solved'} in ${rounds}, ${verdict} ${by}`
}
