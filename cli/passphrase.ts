import { readFileSync, statSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'
import { EdgeCoderError } from '../src/core/errors.js'

/** Shorter ones are guessed, however slow a guess is made. */
const LEAST_CHARACTERS = 8

/** Where a passphrase comes from. */
export interface PassphraseSource {
  /** `--passphrase-file`, else EDGE_ADMIN_PASSPHRASE_FILE. */
  readonly file: string | undefined
  readonly input: NodeJS.ReadableStream & { readonly isTTY?: boolean }
  readonly prompts: { write(text: string): unknown }
}

/** @param file of --passphrase-file */
export function passphraseSource(file: string | undefined): PassphraseSource {
  const named = file ?? process.env['EDGE_ADMIN_PASSPHRASE_FILE']
  return { file: named, input: process.stdin, prompts: process.stderr }
}

/**
 * Asks for a passphrase, without showing it; from a file when one is named. Never from the command line,
 * which other users of a machine can read.
 *
 * @throws EdgeCoderError `bad-config` when others may read the file, `bad-request` when there is nobody
 *   to ask
 */
export async function readPassphrase(source: PassphraseSource, what: string): Promise<string> {
  if (source.file !== undefined) return passphraseIn(source.file)
  if (source.input.isTTY === true) return ask(source, `Passphrase of ${what}: `)
  throw new EdgeCoderError('bad-request', 'there is no terminal to ask for a passphrase', {
    next: 'Run it in a terminal, or name a file with --passphrase-file or EDGE_ADMIN_PASSPHRASE_FILE.',
  })
}

/** As {@link readPassphrase}, for a key that is made: long enough, and typed twice. */
export async function choosePassphrase(source: PassphraseSource, what: string): Promise<string> {
  const chosen = await readPassphrase(source, what)
  if ([...chosen].length < LEAST_CHARACTERS) {
    throw new EdgeCoderError('bad-request', `a passphrase has at least ${LEAST_CHARACTERS} characters`, {
      next: 'Choose several random words.',
    })
  }
  if (source.file !== undefined || (await ask(source, 'Again: ')) === chosen) return chosen
  throw new EdgeCoderError('bad-request', 'the two passphrases differ', { next: 'Try again.' })
}

function passphraseIn(path: string): string {
  try {
    const { mode } = statSync(path)
    if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
      throw new EdgeCoderError('bad-config', `others may read the passphrase file ${path}`, {
        next: `chmod 600 ${path}`,
      })
    }
    const text = readFileSync(path, 'utf8').replace(/\r?\n$/, '')
    if (text !== '') return text
  } catch (cause) {
    if (cause instanceof EdgeCoderError) throw cause
    throw new EdgeCoderError('bad-config', `cannot read the passphrase file ${path}`, {
      next: 'Check the path and its permissions.',
      cause,
    })
  }
  throw new EdgeCoderError('bad-config', `the passphrase file ${path} is empty`, {
    next: 'Its first line is the passphrase.',
  })
}

function ask({ input, prompts }: PassphraseSource, prompt: string): Promise<string> {
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() })
  // As a terminal, readline turns its echo off and writes what is typed to `nowhere`.
  const lines = createInterface({ input, output: nowhere, terminal: true })
  prompts.write(prompt)
  return new Promise((resolve, reject) => {
    const given = (text: string | undefined) => {
      lines.removeAllListeners()
      lines.close()
      prompts.write('\n')
      if (text !== undefined) resolve(text)
      else reject(new EdgeCoderError('cancelled', 'No passphrase was given.'))
    }
    lines.once('line', given)
    lines.once('SIGINT', () => given(undefined))
    lines.once('close', () => given(undefined))
  })
}
