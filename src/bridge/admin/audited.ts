import type { AuditAct } from '../../core/audit/act.js'
import { isRefusal, type Refusal } from '../../core/refusal.js'
import type { Audit } from '../../ports/audit.js'

type AdminAct = Omit<AuditAct, 'by' | 'outcome'>

/**
 * Writes down what an admin did, before it is answered; of what was refused, that it was asked for.
 *
 * @param act from the answer, as ids are known only then
 * @throws EdgeCoderError `store-full`, `store-failed`: the act stands, and who asked must know that nobody
 *   will see it in the audit log
 */
export async function audited<Answer extends object>(
  audit: Audit,
  answer: Answer | Refusal,
  act: (answer: Answer | undefined) => AdminAct,
): Promise<Answer | Refusal> {
  if (!isRefusal(answer)) {
    await audit.record({ ...act(answer), by: 'admin', outcome: 'done' })
    return answer
  }
  const asked = act(undefined)
  audit.note({ ...asked, by: 'admin', outcome: 'refused', facts: { ...asked.facts, code: answer.code } })
  return answer
}
