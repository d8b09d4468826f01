import { type Refusal, refusal } from '../../core/refusal.js'
import type { TaskHeader } from '../../core/task/task.js'

/**
 * What the bounds of a header cannot say.
 *
 * @param gateway peer id at the other end of the link, who also signed the order
 * @returns why the header is not taken, or undefined when it may be
 */
export function headerFault(header: TaskHeader, gateway: string, nowMs: number): Refusal | undefined {
  if (header.gateway !== gateway) {
    return refusal('forbidden', `the header names gateway ${header.gateway}, it came from ${gateway}`)
  }
  if (header.account.includes(':')) return refusal('bad-request', 'an account name holds no ":"')
  const client = header.id.startsWith(`${header.account}:`) ? header.id.slice(header.account.length + 1) : ''
  if (client === '') {
    return refusal(
      'bad-request',
      `task id "${header.id}" does not start with its account "${header.account}:"`,
    )
  }
  if (header.kind === 'test' && header.model !== '')
    return refusal('bad-request', 'a task of kind "test" names no model')
  if (header.kind !== 'chat' && header.languages.length === 0) {
    return refusal(
      'bad-request',
      `a task of kind "${header.kind}" names the language that its sandbox must run`,
    )
  }
  if (header.deadlineMs !== 0 && header.deadlineMs <= nowMs) {
    return refusal('deadline-passed', 'the deadline had passed when the task was submitted')
  }
  return undefined
}
