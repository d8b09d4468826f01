import type { EntryKind } from '../../../wire/ledger/entry.js'
import type { Refusal } from '../../refusal.js'
import type { Draft } from '../draft.js'
import type { FactsOf } from '../facts.js'

/** What a kind of entry means: changes the draft, or says why it may not be. A refused draft is dropped. */
export type Rule<Kind extends EntryKind> = (draft: Draft, facts: FactsOf<Kind>) => Refusal | undefined
