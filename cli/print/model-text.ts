import type { z } from 'zod'
import type { ModelPolicyJson, PullJson, PullsJson } from '../../src/bridge/schemas/model.js'
import type { ModelsJson } from '../../src/bridge/schemas/node.js'
import type { LentFilesJson } from '../../src/bridge/schemas/worker.js'
import { ago } from './duration.js'
import { wordsOf } from './plain-words.js'
import { facts, table } from './table.js'

/** Characters of a digest that tell it apart for people. */
const SHORT = 12
const MIB = 1024 * 1024

/** `model list` for people. */
export function modelsText({ models }: ModelsJson): string {
  if (models.length === 0) return 'No attached worker runs a model.'
  const told = models.some(({ digests }) => digests !== undefined)
  const rows = models.map((one) => [
    one.name,
    String(one.contextTokens),
    String(Math.round(one.tokensPerS)),
    String(one.workers),
    String(one.freeSlots),
    ...(told ? [digestsText(one.digests), one.bar === undefined ? '' : one.bar.message] : []),
  ])
  const columns = ['model', 'context', 'tokens/s', 'workers', 'free slots']
  return table([...columns, ...(told ? ['sha-256', 'may not serve'] : [])], rows)
}

/** `model policy` for people. */
export function modelPolicyText({ sequence, models, unlisted, untold }: ModelPolicyJson): string {
  if (sequence === undefined) return 'Policy says nothing of models: every model may serve.'
  return [
    table(
      ['model', 'sha-256', 'from'],
      models.map(({ name, digest, source }) => [wordsOf(name), digest, source]),
    ),
    facts([
      ['Others', `models that are not listed are ${unlisted}`],
      ['Untold', `listed ones whose digest the engine does not tell are ${untold}`],
      ['Said by', `policy message ${sequence}`],
    ]),
  ].join('\n\n')
}

/** How far one model is. */
export function pullText({ name, state, bytes, ofBytes, from, next, why }: PullJson): string {
  if (state === 'failed') return `${wordsOf(name)} did not come: ${why?.message ?? ''}`
  const by = from === '' ? '' : `, from ${from}`
  if (state === 'done') return `${wordsOf(name)} is here${by}${next === undefined ? '' : `; now ${next}`}`
  const share =
    ofBytes === 0 ? '' : ` of ${Math.round(ofBytes / MIB)} MiB, ${Math.floor((bytes / ofBytes) * 100)} %`
  const here = `${Math.round(bytes / MIB)}${share === '' ? ' MiB' : share}`
  return `${wordsOf(name)}: ${here}${by || (bytes > 0 ? ', nobody sends now' : '')}`
}

/** `model lent` for people. */
export function lentText({ files, uploads, sentBytes, why }: LentFilesJson): string {
  const listed = files.map(({ models, digest, bytes }) => [
    models.map(wordsOf).join(', '),
    digest.slice(0, SHORT),
    `${Math.ceil(bytes / MIB)} MiB`,
  ])
  const rows = facts([
    ['Sent', `${Math.round(sentBytes / MIB)} MiB since the node started`],
    ['Uploads', uploads.join('\n         ') || 'none'],
    ['Lends now', why && ['no: ', why.message, why.next && `\n  next: ${why.next}`].filter(Boolean).join('')],
  ])
  if (listed.length === 0) return `No file here is one that policy lists.\n\n${rows}`
  return `${table(['model', 'sha-256', 'size'], listed)}\n\n${rows}`
}

/** `model pulls` for people. */
export function pullsText({ pulls }: z.output<typeof PullsJson>): string {
  if (pulls.length === 0) return 'Nothing was fetched since the node started.'
  return pulls.map((pull) => `${pullText(pull)} (began ${ago(pull.sinceMs)})`).join('\n')
}

function digestsText(digests: readonly string[] | undefined): string {
  if (digests === undefined || digests.length === 0) return 'not told'
  return digests.map((digest) => digest.slice(0, SHORT)).join(', ')
}
