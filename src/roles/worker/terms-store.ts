import { EdgeCoderError } from '../../core/errors.js'
import { TERM_NAMES, type TermName, type TermTexts, termFault } from '../../core/terms/terms.js'
import type { Store } from '../../ports/store.js'
import { codec, isMalformed } from '../../wire/frame.js'
import { StoredTermsSchema } from '../../wire/generated/edgecoder/store/v1/worker_pb.js'

const KEY = 'w|terms'
const stored = codec(StoredTermsSchema, 65_536)

/**
 * Terms that were changed while the node ran. One that this version does not know, or takes no more, is left
 * out.
 *
 * @throws EdgeCoderError `store-corrupt`, `store-failed`
 */
export async function readTerms(store: Store): Promise<Partial<TermTexts>> {
  const bytes = await store.get(KEY)
  if (bytes === undefined) return {}
  const read = stored.decode(bytes)
  if (isMalformed(read)) {
    throw new EdgeCoderError('store-corrupt', `The terms that were set cannot be read: ${read.detail}`, {
      next: 'Restore the data folder from a backup.',
    })
  }
  const texts: Partial<Record<TermName, string>> = {}
  for (const { name, value } of read.terms) {
    const term = TERM_NAMES.find((each) => each === name)
    if (term !== undefined && termFault(term, value) === undefined) texts[term] = value
  }
  return texts
}

/** @throws EdgeCoderError `store-full`, `store-failed`: nothing changed */
export async function writeTerms(store: Store, texts: Partial<TermTexts>): Promise<void> {
  const terms = TERM_NAMES.flatMap((name) => {
    const value = texts[name]
    return value === undefined ? [] : [{ name, value }]
  })
  await store.commit([{ type: 'put', key: KEY, value: stored.encode({ terms }) }])
}
