import { EdgeCoderError, ERRORS } from '../src/core/errors.js'
import { type ExaminedPolicy, examinePolicy, type PolicyChain } from '../src/node/admin-policy.js'
import { examinedJson, saysOf, signedText } from './print/policy-text.js'
import { facts, table } from './print/table.js'
import type { Session } from './session.js'

/** Shows a whole chain, message by message; ends with an error code when it is not to be relied on. */
export async function answerChain(chain: PolicyChain, session: Session): Promise<void> {
  const { head } = chain
  if (head === undefined) throw new EdgeCoderError('not-found', 'there is no policy yet')
  const nowMs = Date.now()
  const messages: ExaminedPolicy[] = []
  for (let at = 0; at <= head.sequence; at++) {
    messages.push(await examinePolicy(chain.at(at)?.bytes ?? new Uint8Array(), chain, nowMs))
  }
  const why = chain.standing(nowMs)
  const standing = why === undefined ? 'good' : why.code
  const { network, name, sequence, expiresMs } = head
  session.out.answer(
    { network, name, sequence, expiresMs, standing, messages: messages.map(examinedJson) },
    () =>
      [
        facts([
          ['Network', `${network} ("${name}")`],
          ['Messages', String(sequence + 1)],
          ['Expires', new Date(expiresMs).toISOString()],
          ['Standing', why === undefined ? 'good' : [why.detail, why.next].join('\n          next: ')],
        ]),
        messagesText(messages, chain),
      ].join('\n\n'),
  )
  if (why !== undefined) process.exitCode = ERRORS[why.code].exit
}

function messagesText(messages: readonly ExaminedPolicy[], chain: PolicyChain): string {
  return table(
    ['message', 'kind', 'signed', 'issued', 'says'],
    messages.map(({ message, demands }) => {
      const [first = '', ...more] = saysOf(message, chain)
      return [
        String(message.sequence),
        message.kind,
        signedText(demands),
        new Date(message.issuedMs).toISOString().slice(0, 10),
        more.length === 0 ? first : `${first} (+ ${more.length} more)`,
      ]
    }),
  )
}
