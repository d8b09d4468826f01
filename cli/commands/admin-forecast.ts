import type { Command } from 'commander'
import { examinePolicy } from '../../src/node/admin-policy.js'
import { forecastOf } from '../../src/node/policy-forecast.js'
import { chainFor, policyNodeOf } from '../node-chain.js'
import { readMessage, withChain } from '../policy-files.js'
import { diffText, forecastText } from '../print/forecast-text.js'
import { examinedJson } from '../print/policy-text.js'
import { refuse } from '../refuse.js'
import { sessionOf } from '../session.js'
import { multiplierAt, touchedAt } from '../touched-leases.js'

interface ChainOption {
  readonly chain: string
}

/** `edgecoder admin policy diff|simulate`: what a message would change, before anybody signs it. */
export function registerAdminForecast(policy: Command): void {
  withChain(policy.command('diff <file>'))
    .description('what a message changes, field by field, against the chain (or that of --node)')
    .action(async (file: string, { chain: folder }: ChainOption, command: Command) => {
      const chain = await chainFor(command, folder)
      const bytes = readMessage(file)
      const examined = await examinePolicy(bytes, chain, Date.now())
      if (examined.state === 'refused' && examined.why !== undefined) throw refuse(examined.why, `${file}: `)
      const { fields } = forecastOf(bytes, chain)
      const { message, state } = examined
      sessionOf(command).out.answer({ sequence: message.sequence, kind: message.kind, state, fields }, () =>
        diffText(fields),
      )
    })
  withChain(policy.command('simulate <file>'))
    .description('who would be cut off or admitted, prices, quorum; with --node, what runs there now, too')
    .action(simulate)
}

async function simulate(file: string, { chain: folder }: ChainOption, command: Command): Promise<void> {
  const session = sessionOf(command)
  const chain = await chainFor(command, folder)
  const bytes = readMessage(file)
  const examined = await examinePolicy(bytes, chain, Date.now())
  if (examined.state === 'refused' && examined.why !== undefined) throw refuse(examined.why, `${file}: `)
  const client = session.nodeGiven ? policyNodeOf(session) : undefined
  const multiplier = client === undefined ? undefined : await multiplierAt(client, session.signal)
  const { fields, outlook } = forecastOf(bytes, chain, multiplier)
  const touched =
    client === undefined ? undefined : await touchedAt(client, outlook, multiplier, session.signal)
  session.out.answer(
    { ...examinedJson(examined), fields, outlook, ...(touched === undefined ? {} : { touched }) },
    () => forecastText(examined, outlook, touched),
  )
}
