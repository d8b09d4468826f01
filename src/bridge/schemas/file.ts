import { z } from 'zod'
import type { SandboxFile } from '../../ports/sandbox.js'

const path = z.string().min(1).max(512).meta({ description: 'Relative, "/"-separated, no "..".' })
// 4 MiB of bytes, as base64.
const BASE64_CHARACTERS = 5_592_408

/** A file: `content` for UTF-8 text, `contentBase64` for anything else. */
export const FileJson = z
  .union(
    [
      z.strictObject({ path, content: z.string().max(4_194_304) }),
      z.strictObject({ path, contentBase64: z.base64().max(BASE64_CHARACTERS) }),
    ],
    'must be {path, content} or {path, contentBase64}, within the bounds of a file',
  )
  .meta({ id: 'File' })

export type FileJson = z.output<typeof FileJson>

export function fileFromJson(file: FileJson): SandboxFile {
  return {
    path: file.path,
    content:
      'content' in file ? Buffer.from(file.content, 'utf8') : Buffer.from(file.contentBase64, 'base64'),
  }
}

export function fileJson(file: SandboxFile): FileJson {
  try {
    // A byte order mark is content: dropping it would change the file.
    const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
    return { path: file.path, content: utf8.decode(file.content) }
  } catch {
    return { path: file.path, contentBase64: Buffer.from(file.content).toString('base64') }
  }
}
