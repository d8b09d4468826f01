import { readFileSync } from 'node:fs'

/** From package.json, which lies two folders up from the sources and three up from what they compile to. */
function readVersion(): string {
  for (const up of ['../../package.json', '../../../package.json']) {
    try {
      const found: unknown = JSON.parse(readFileSync(new URL(up, import.meta.url), 'utf8'))
      if (typeof found === 'object' && found !== null && 'name' in found && found.name === 'edgecoder') {
        return 'version' in found ? String(found.version) : 'unknown'
      }
    } catch {
      // Not there; the other place has it.
    }
  }
  return 'unknown'
}

export const VERSION = readVersion()
