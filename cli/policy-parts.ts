import { existsSync } from 'node:fs'
import { Option } from 'commander'
import { EdgeCoderError } from '../src/core/errors.js'
import { POWERS, type PolicyBody, readAdminKey } from '../src/node/admin-policy.js'
import { keyOfText, memberOf } from '../src/node/policy-text.js'

type Powers = PolicyBody<'keys'>['powers']
type Authority = PolicyBody<'keys'>['root']

/** Gathers the values of an option that is given several times. */
export function gathered(value: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), value]
}

export function keyOption(help: string): Option {
  return new Option('--key <key>', `${help}: ed25519:…, or a key file; again for each`).argParser(gathered)
}

export function powerOption(): Option {
  const form = 'delegate a power: <power>=<threshold>:<key>,<key>…; <power>=root takes it back'
  return new Option('--power <power>', `${form}; powers: ${POWERS.join(', ')}`).argParser(gathered)
}

/** Keys as they are named on the command line: by their text, or by the file that holds them. */
export function namedKeys(names: readonly string[]): Promise<readonly Uint8Array[]> {
  return Promise.all(
    names.map((name) =>
      name.startsWith('ed25519:') || !existsSync(name) ? keyOfText(name) : readAdminKey(name),
    ),
  )
}

/** Coordinators by their peer ids. */
export function membersOf(peers: readonly string[] | undefined): PolicyBody<'coordinators'>['admit'] {
  return (peers ?? []).map(memberOf)
}

/** The table of powers after some changes of it. @throws EdgeCoderError `bad-request` */
export async function changedPowers(before: Powers, changes: readonly string[] | undefined): Promise<Powers> {
  const powers = new Map(before.map(({ power, authority }) => [power, authority]))
  for (const change of changes ?? []) {
    const { power, authority } = await changeOf(change)
    if (authority === undefined) powers.delete(power)
    else powers.set(power, authority)
  }
  return [...powers].map(([power, authority]) => ({ power, authority }))
}

async function changeOf(
  change: string,
): Promise<{ readonly power: Powers[number]['power']; readonly authority?: Authority }> {
  const [, name, value = ''] = /^([a-z-]+)=(.+)$/.exec(change) ?? []
  const power = POWERS.find((each) => each === name)
  const [, threshold, keys = ''] = /^(\d{1,2}):(.+)$/.exec(value) ?? []
  if (power !== undefined && value === 'root') return { power }
  if (power !== undefined && threshold !== undefined) {
    const authority = { keys: await namedKeys(keys.split(',')), threshold: Number(threshold) }
    return { power, authority }
  }
  throw new EdgeCoderError('bad-request', `--power ${change} is not <power>=<threshold>:<key>,<key>…`, {
    next: `Such as --power grant=1:treasurer.key. Powers: ${POWERS.join(', ')}.`,
  })
}
