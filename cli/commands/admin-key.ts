import type { Command } from 'commander'
import { createAdminKey, keyText, readAdminKey } from '../../src/node/admin-policy.js'
import { choosePassphrase, passphraseSource } from '../passphrase.js'
import { sessionOf } from '../session.js'

interface PassphraseOption {
  readonly passphraseFile?: string
}

/** `--passphrase-file <path>`, for commands that open or make a key. */
export function withPassphrase(command: Command): Command {
  return command.option(
    '--passphrase-file <path>',
    'file that holds the passphrase (default EDGE_ADMIN_PASSPHRASE_FILE, else the terminal is asked)',
  )
}

/** `edgecoder admin key …`: keys that sign policy. */
export function registerAdminKey(admin: Command): void {
  const key = admin.command('key').description('keys that sign policy, each in an encrypted file')
  withPassphrase(key.command('create <file>'))
    .description('make a key; its file is encrypted by a passphrase')
    .action(async (file: string, options: PassphraseOption, command: Command) => {
      const { out } = sessionOf(command)
      const passphrase = await choosePassphrase(passphraseSource(options.passphraseFile), file)
      const publicKey = keyText(await createAdminKey(file, passphrase))
      out.say(`${file} holds the key; keep a copy, and the passphrase apart from it. Its public key:`)
      out.answer({ file, publicKey }, () => publicKey)
    })
  key
    .command('show <file>')
    .description('the public key of a key file; needs no passphrase')
    .action(async (file: string, _options: unknown, command: Command) => {
      const { out } = sessionOf(command)
      const publicKey = keyText(await readAdminKey(file))
      out.answer({ file, publicKey }, () => publicKey)
    })
}
