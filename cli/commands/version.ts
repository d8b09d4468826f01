import type { Command } from 'commander'
import { VERSION } from '../../src/node/version.js'
import { sessionOf } from '../session.js'

/** `edgecoder version`: what to name in a report. */
export function registerVersion(program: Command): void {
  program
    .command('version')
    .description('versions of EdgeCoder and Node.js, and the platform')
    .action((_options: unknown, command: Command) => {
      const version = {
        edgecoder: VERSION,
        node: process.versions.node,
        platform: `${process.platform}-${process.arch}`,
      }
      sessionOf(command).out.answer(version, () => {
        return `edgecoder ${version.edgecoder} (Node.js ${version.node}, ${version.platform})`
      })
    })
}
