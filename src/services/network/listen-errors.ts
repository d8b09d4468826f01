import { EdgeCoderError } from '../../core/errors.js'

/** @returns the fault that the caller of `start` is owed */
export function listenFault(cause: unknown, listen: readonly string[]): EdgeCoderError {
  const message = cause instanceof Error ? cause.message : String(cause)
  const taken = /EADDRINUSE[^\n]*?:(\d+)\s/.exec(`${message}\n`)?.[1]
  if (taken !== undefined) {
    return new EdgeCoderError('port-in-use', `Port ${taken} is taken by another process.`, {
      next: `Stop it ("ss -ltnp 'sport = :${taken}'" names it), or choose another port to listen on.`,
      cause,
    })
  }
  return new EdgeCoderError('bad-config', `Cannot listen on ${listen.join(', ')}: ${firstLine(message)}`, {
    next: 'Check the listen addresses: an address of this machine, and a port this user may take.',
    cause,
  })
}

function firstLine(message: string): string {
  const named = message.split('\n').find((line) => /EACCES|EADDRNOTAVAIL|Error: /.test(line))
  return (named ?? message.split('\n')[0] ?? '').trim().slice(0, 200)
}
