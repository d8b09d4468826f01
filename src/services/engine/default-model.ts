import { access } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const DEFAULT_MODEL_NAME = 'tiny-coder'

/**
 * Finds the demo model that comes with the package, whether this runs from src or from dist.
 *
 * @returns its path; undefined when the package was installed without it
 */
export async function defaultModelPath(): Promise<string | undefined> {
  let folder = dirname(fileURLToPath(import.meta.url))
  // The package root is three folders up from src, four from dist.
  for (let up = 0; up < 5; up++) {
    const path = join(folder, 'models', 'tiny-coder', 'tiny-coder-q8.gguf')
    if (await isReadable(path)) return path
    folder = dirname(folder)
  }
  return undefined
}

async function isReadable(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}
