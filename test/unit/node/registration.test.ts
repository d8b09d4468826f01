import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { EdgeCoderError } from '../../../src/core/errors.js'
import { loadConfig } from '../../../src/node/config.js'
import { registrationOf } from '../../../src/node/registration.js'
import { formatRegistrationToken } from '../../../src/wire/registration-token.js'
import { COORDINATOR } from '../../helpers/sample-policy.js'

const TOKEN = { issuer: COORDINATOR.peer, secret: new Uint8Array(32).fill(3) }
const TEXT = formatRegistrationToken(TOKEN)
let dir = ''
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'edgecoder-registration-'))
})
afterAll(() => rmSync(dir, { recursive: true }))

function configOf(env: Readonly<Record<string, string>>) {
  return loadConfig({ flags: {}, env, file: join(dir, 'none'), fileRequired: false })
}

function failureOf(env: Readonly<Record<string, string>>): EdgeCoderError {
  try {
    registrationOf(configOf(env).config)
  } catch (error) {
    if (error instanceof EdgeCoderError) return error
    throw error
  }
  throw new Error('it was taken')
}

it('a token comes from the setting or from a file that only its owner can read', () => {
  const file = join(dir, 'token')
  writeFileSync(file, `${TEXT}\n`, { mode: 0o600 })
  expect(registrationOf(configOf({}).config)).toBeUndefined()
  expect(registrationOf(configOf({ AGENT_REGISTRATION_TOKEN: TEXT }).config)).toEqual(TOKEN)
  expect(registrationOf(configOf({ AGENT_REGISTRATION_TOKEN_FILE: file }).config)).toEqual(TOKEN)
})

it('what is wrong with it is said without showing it', () => {
  const open = join(dir, 'open')
  writeFileSync(open, TEXT, { mode: 0o644 })
  const cases = [
    [{ AGENT_REGISTRATION_TOKEN: TEXT.slice(0, -1) }, 'cut off or mistyped'],
    [{ AGENT_REGISTRATION_TOKEN_FILE: open }, 'others may read'],
    [{ AGENT_REGISTRATION_TOKEN_FILE: join(dir, 'gone') }, 'cannot read'],
    [{ AGENT_REGISTRATION_TOKEN: TEXT, AGENT_REGISTRATION_TOKEN_FILE: open }, 'are set'],
  ] as const
  for (const [env, why] of cases) {
    const { code, message, next } = failureOf(env)
    expect([code, message, next]).toEqual(['bad-config', expect.stringContaining(why), expect.any(String)])
    expect(message + next).not.toContain(TEXT.slice(10, 40))
  }
})

it('the settings show that there is one, and not which', () => {
  const { entries } = configOf({ AGENT_REGISTRATION_TOKEN: TEXT })
  expect(entries.find(({ name }) => name === 'AGENT_REGISTRATION_TOKEN')?.value).toBe('(set)')
  expect(JSON.stringify(entries)).not.toContain(TEXT)
})
