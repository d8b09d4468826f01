import { type Refusal, refusal } from '../../core/refusal.js'
import type { SandboxFile } from '../../ports/sandbox.js'
import { PAYLOAD_BYTES } from '../../wire/limits.js'

/** Files one job may bring. */
const FILES = 1024
/** UTF-8 bytes of one path, as in payload.proto. */
const PATH_BYTES = 512
/** UTF-8 bytes between two "/"; ext4 and tmpfs take 255. */
const PART_BYTES = 200
/** Folders deep. */
const PATH_PARTS = 16
/** Bytes of one file, as in payload.proto. */
const FILE_BYTES = 4 * 1024 * 1024

/**
 * Refuses files that could leave their folder, hide one another or fill the disk. Stricter than Linux, so
 * that the same files mean the same on macOS (case and accents folded).
 *
 * @returns `too-many-files`, `payload-too-large` or `bad-file-name`; undefined when all are fine
 */
export function refuseFiles(files: readonly SandboxFile[]): Refusal | undefined {
  if (files.length > FILES) {
    return refusal('too-many-files', `${files.length} files; a job may have ${FILES}.`)
  }
  const sizes = files.map((file) => file.content.byteLength)
  if (sizes.some((size) => size > FILE_BYTES) || sizes.reduce((a, b) => a + b, 0) > PAYLOAD_BYTES) {
    return refusal(
      'payload-too-large',
      `One file may have ${FILE_BYTES} bytes, all together ${PAYLOAD_BYTES}.`,
    )
  }
  return refuseCollisions(files)
}

function refuseCollisions(files: readonly SandboxFile[]): Refusal | undefined {
  const seen = new Set<string>()
  const folders = new Set<string>()
  for (const [at, { path }] of files.entries()) {
    const why = fileNameFault(path)
    if (why !== undefined) return badName(at, why)
    const parts = folded(path).split('/')
    const name = parts.join('/')
    if (seen.has(name)) return badName(at, 'another file has the same name but for case or accents')
    seen.add(name)
    for (let depth = 1; depth < parts.length; depth++) folders.add(parts.slice(0, depth).join('/'))
  }
  const both = files.findIndex(({ path }) => folders.has(folded(path)))
  return both < 0 ? undefined : badName(both, 'it is both a file and a folder')
}

/** What is wrong with one path, for a person; undefined when it is a plain relative name. */
export function fileNameFault(path: string): string | undefined {
  if (path === '') return 'it is empty'
  if (!path.isWellFormed()) return 'it is not valid Unicode'
  if (Buffer.byteLength(path) > PATH_BYTES) return `it is longer than ${PATH_BYTES} bytes`
  if (path.startsWith('/')) return 'it is absolute'
  // Control characters, line separators, and the invisible ones that change how a name reads.
  if (/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(path)) return 'it holds a control or invisible character'
  if (/[\\:]/.test(path)) return 'it holds a backslash or a colon'
  const parts = path.split('/')
  if (parts.length > PATH_PARTS) return `it is more than ${PATH_PARTS} folders deep`
  for (const part of parts) {
    if (part === '') return 'it has an empty part'
    if (part === '.' || part === '..') return `it has a "${part}" part`
    if (/^\s|[.\s]$/u.test(part)) return 'a part begins or ends with a space, or ends with a dot'
    if (Buffer.byteLength(part) > PART_BYTES) return `a part is longer than ${PART_BYTES} bytes`
  }
  return undefined
}

/** The name as a file system that folds case and accents would keep it. */
function folded(path: string): string {
  return path.normalize('NFKC').toLowerCase().normalize('NFKC')
}

/** Says which file by number: refusals pass the coordinator, which must not see what users send. */
function badName(at: number, why: string): Refusal {
  return refusal('bad-file-name', `The name of file ${at + 1}: ${why}.`, {
    next: 'Use plain relative names such as "src/sum.js".',
  })
}
