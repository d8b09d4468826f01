import { fromString } from 'uint8arrays/from-string'
import { signatureHolds } from '../ed25519.js'
import { parseKeyText } from './key-text.js'
import type { PolicyBody } from './policy-message.js'

/** What a reporter vouches for: not for how long the entry stands, which is for the admins to say. */
type Report = Pick<PolicyBody<'blacklist'>, 'action' | 'subject' | 'reason' | 'evidence'>

const DOMAIN = 'edgecoder-blacklist-report/1'

/** The bytes that a reporter signs. @param network id of the network that the report is for */
export function reportBytes(network: string, { action, subject, reason, evidence }: Report): Uint8Array {
  const digest = Buffer.from(evidence).toString('hex')
  return fromString([DOMAIN, network, action, subject, reason, digest].join('\n'))
}

/** Did the reporter that a message names sign for its evidence? Never throws. */
export async function reportHolds(network: string, body: PolicyBody<'blacklist'>): Promise<boolean> {
  const key = parseKeyText(body.reporter)
  if ('refused' in key) return false
  return signatureHolds(key, reportBytes(network, body), body.signature)
}
