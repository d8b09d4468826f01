import { accessSync, constants, existsSync, statfsSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type Finding, fault, good } from './finding.js'

const MIB = 2 ** 20
/** A ledger, a queue and an audit log want some room; with less a node refuses what it cannot keep. */
const LEAST_FREE_MIB = 512
const OTHERS = 0o077
/** What nobody but the owner may read: the key, what opens the admin API, prompts and results. */
const PRIVATE = ['', 'identity.key', 'admin-token', 'admin.json', 'audit'] as const

/** Can the data folder be written, by its owner alone, and has its disk room? */
export function folderFindings(dataDir: string): readonly Finding[] {
  const existing = existsSync(dataDir) ? dataDir : dirname(dataDir)
  try {
    if (existsSync(existing)) accessSync(existing, constants.W_OK)
  } catch {
    const next = 'Run as the user it belongs to, or set EDGE_DATA_DIR.'
    return [fault('data folder', `${existing} cannot be written`, next)]
  }
  if (!existsSync(dataDir)) return [good('data folder', `${dataDir} is made at the first start`)]
  return [good('data folder', dataDir), permissionFinding(dataDir), spaceFinding(dataDir)]
}

function permissionFinding(dataDir: string): Finding {
  if (process.platform === 'win32') return good('permissions', 'not looked at on this system')
  const open = PRIVATE.map((name) => join(dataDir, name)).filter(
    (path) => existsSync(path) && (statSync(path).mode & OTHERS) !== 0,
  )
  if (open.length === 0) return good('permissions', 'nobody else may read the key, the token and the store')
  const commands = open.map((path) => `chmod ${statSync(path).isDirectory() ? '700' : '600'} ${path}`)
  return fault('permissions', `others may read ${open.join(', ')}`, commands.join('; '))
}

function spaceFinding(dataDir: string): Finding {
  const { bavail, bsize } = statfsSync(dataDir)
  const freeMib = Math.floor((bavail * bsize) / MIB)
  const detail = `${freeMib} MiB are free on the disk of ${dataDir}`
  if (freeMib >= LEAST_FREE_MIB) return good('disk', detail)
  return fault('disk', detail, `Free some: a node wants ${LEAST_FREE_MIB} MiB; df -h ${dataDir}`)
}
