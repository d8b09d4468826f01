const MOST_BYTES = 512
const CONTROL = /\p{Cc}/u

/**
 * Is this a plain relative file name, that cannot leave the folder it is written to?
 *
 * @returns what is wrong with it, to be read after the name; undefined = plain
 */
export function nameBroken(path: string): string | undefined {
  if (path === '') return 'is empty'
  if (Buffer.byteLength(path) > MOST_BYTES) return `is over ${MOST_BYTES} bytes`
  if (!path.isWellFormed()) return 'is not well-formed Unicode'
  if (CONTROL.test(path)) return 'holds a control character'
  if (path.includes('\\')) return 'holds a backslash'
  if (path.startsWith('/') || /^[A-Za-z]:/.test(path)) return 'is absolute'
  for (const part of path.split('/')) {
    if (part === '') return 'has an empty part'
    if (part === '.' || part === '..') return `has the part "${part}"`
  }
  return undefined
}

/**
 * Checks the names of files that go to one folder: each plain, none twice, none both file and folder.
 *
 * @returns the index of the first bad one and why, or undefined
 */
export function namesBroken(
  files: readonly { readonly path: string }[],
): { readonly index: number; readonly why: string } | undefined {
  const names = new Set<string>()
  const folders = new Set<string>()
  for (const [index, { path }] of files.entries()) {
    const broken = nameBroken(path)
    if (broken !== undefined) return { index, why: broken }
    if (names.has(path)) return { index, why: 'is given twice' }
    if (folders.has(path)) return { index, why: 'is also a folder of another file' }
    names.add(path)
    for (let at = path.indexOf('/'); at >= 0; at = path.indexOf('/', at + 1)) {
      const folder = path.slice(0, at)
      if (names.has(folder)) return { index, why: 'lies in a folder that is also a file' }
      folders.add(folder)
    }
  }
  return undefined
}
