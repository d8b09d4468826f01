import { readFileSync, statSync } from 'node:fs'
import { EdgeCoderError } from '../core/errors.js'
import { parseRegistrationToken, type RegistrationToken } from '../wire/registration-token.js'
import type { Config } from './settings.js'

/** Larger files hold something else. */
const FILE_BYTES = 4_096

/**
 * The registration token that a node was given, from the setting or the file that is named.
 *
 * @returns undefined = none was given
 * @throws EdgeCoderError `bad-config`; says what is wrong, without the token
 */
export function registrationOf({
  registrationToken,
  registrationTokenFile,
}: Pick<Config, 'registrationToken' | 'registrationTokenFile'>): RegistrationToken | undefined {
  if (registrationToken !== undefined && registrationTokenFile !== undefined) {
    throw new EdgeCoderError(
      'bad-config',
      'AGENT_REGISTRATION_TOKEN and AGENT_REGISTRATION_TOKEN_FILE are set',
      {
        next: 'Set one of them.',
      },
    )
  }
  const text = registrationTokenFile === undefined ? registrationToken : textIn(registrationTokenFile)
  if (text === undefined) return undefined
  const token = parseRegistrationToken(text)
  if (!('refused' in token)) return token
  throw new EdgeCoderError('bad-config', token.detail, {
    next: 'Copy it whole, as `edgecoder node enroll` showed it, or ask for another one.',
  })
}

function textIn(path: string): string {
  try {
    const { mode, size } = statSync(path)
    if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
      throw new EdgeCoderError('bad-config', `others may read the registration token in ${path}`, {
        next: `chmod 600 ${path}`,
      })
    }
    if (size <= FILE_BYTES) return readFileSync(path, 'utf8')
  } catch (cause) {
    if (cause instanceof EdgeCoderError) throw cause
    throw new EdgeCoderError('bad-config', `cannot read the registration token file ${path}`, {
      next: 'Check AGENT_REGISTRATION_TOKEN_FILE, and the permissions of the file.',
      cause,
    })
  }
  throw new EdgeCoderError('bad-config', `${path} is too large for a registration token`, {
    next: 'Is it the right file?',
  })
}
