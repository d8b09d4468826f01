import type { PolicyKind, PolicyMessageOf } from '../../../wire/policy/policy-message.js'
import type { Refusal } from '../../refusal.js'
import type { PolicyDraft } from '../policy-draft.js'

/** What a kind of message means: changes the draft, or says why it may not be. A refused draft is dropped. */
export type PolicyRule<Kind extends PolicyKind> = (
  draft: PolicyDraft,
  message: PolicyMessageOf<Kind>,
) => Refusal | undefined
