import type { Command } from 'commander'
import { ADMIN_ROUTES } from '../../src/bridge/admin-client.js'
import { EdgeCoderError } from '../../src/core/errors.js'
import { TERM_NAMES, type TermName } from '../../src/core/terms/terms.js'
import { connect } from '../connection.js'
import { termsText } from '../print/terms-text.js'
import { sessionOf } from '../session.js'

/** `edgecoder node terms show|set`: on what terms the machine is lent. */
export function registerTerms(node: Command): void {
  const terms = node.command('terms').description('on what terms this machine is lent')
  terms
    .command('show', { isDefault: true })
    .description('the terms, and whether they let it work now')
    .action(async (_options: unknown, command: Command) => {
      const session = sessionOf(command)
      const client = connect(session, ['worker'])
      const answer = await client.call(ADMIN_ROUTES.workerTerms, { signal: session.signal })
      session.out.answer(answer, () => termsText(answer))
    })
  terms
    .command('set <name=value...>')
    .description('change terms at once and over restarts; name=default has it as the settings have it')
    .action(async (words: readonly string[], _options: unknown, command: Command) => {
      const session = sessionOf(command)
      const answer = await connect(session, ['worker']).call(ADMIN_ROUTES.workerTermsChange, {
        body: { changes: Object.fromEntries(words.map(changeOf)) },
        signal: session.signal,
      })
      session.out.answer(answer, () => termsText(answer))
    })
}

function changeOf(word: string): readonly [TermName, string | null] {
  const [, given, value = ''] = /^(\w+)=(.*)$/.exec(word) ?? []
  const name = TERM_NAMES.find((each) => each === given)
  if (name !== undefined) return [name, value === 'default' ? null : value]
  throw new EdgeCoderError('bad-request', `"${word}" is no term and its value, such as idleMinutes=10`, {
    next: `Terms: ${TERM_NAMES.join(', ')}.`,
  })
}
