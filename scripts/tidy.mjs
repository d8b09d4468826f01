// House rules that no linter knows: sizes, names, words, paths of a machine. @see docs/STYLE.md
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root, say } from './setup.mjs'

const FILE_LINES = 400
const LINE_CHARACTERS = 110
/** A line that is one literal cannot be broken. */
const LITERAL = /^\s*(['"`/]).*\1[a-z]*,?$/
const VAGUE = /(^|\/)(utils?|helpers?|common|types|manager|misc)(\.ts|\/)/
const UNFINISHED = /(\/\/|\*).*\b(TODO|FIXME|XXX|not implemented yet)\b/
const GIVEN_UP = /(: any\b|as any\b|<any>|@ts-ignore|@ts-expect-error|as unknown as)/
/** Where the compiler cannot know better: a polyfill, and reflection over generated messages. */
const ALLOWED_CASTS = new Set(['src/services/network/node-20.ts', 'src/wire/bounds.ts'])
const WEAK_TEST = /\.(only|todo)\(|\bsleep\(/
const MACHINE_PATH = new RegExp(['root', 'home/[a-z]+', 'work'].map((folder) => `/${folder}/`).join('|'))

const files = spawnSync('git', ['ls-files', '-co', '--exclude-standard'], { cwd: root, encoding: 'utf8' })
  .stdout.split('\n')
  .filter((file) => /\.(ts|mjs|cjs|md|json|yaml|proto)$/.test(file) && !file.includes('generated/'))
  .filter((file) => !/^(package-lock\.json|test\/fixtures\/|models\/|protocols\/vectors\/)/.test(file))

const broken = []
for (const file of files) {
  let text
  try {
    text = readFileSync(join(root, file), 'utf8')
  } catch {
    continue
  }
  inspect(file, text.split('\n'))
}

function inspect(file, lines) {
  const isSource = /^(src|cli)\//.test(file)
  const isTest = file.startsWith('test/')
  if (isSource && lines.length > FILE_LINES)
    broken.push(`${file}: ${lines.length} lines, at most ${FILE_LINES}`)
  if (!isTest && VAGUE.test(file)) broken.push(`${file}: name it after what it holds`)
  lines.forEach((line, index) => {
    const at = `${file}:${index + 1}`
    if (isSource && line.length > LINE_CHARACTERS && !/https?:/.test(line) && !LITERAL.test(line))
      broken.push(`${at}: over ${LINE_CHARACTERS} characters`)
    if (isSource && UNFINISHED.test(line)) broken.push(`${at}: unfinished work in a comment`)
    if (isSource && GIVEN_UP.test(line) && !ALLOWED_CASTS.has(file)) broken.push(`${at}: a type given up`)
    if (isTest && WEAK_TEST.test(line)) broken.push(`${at}: focused, postponed or sleeping test`)
    if (file !== 'scripts/tidy.mjs' && MACHINE_PATH.test(line)) broken.push(`${at}: a path of one machine`)
  })
}

for (const each of broken) say(`tidy: ${each}`)
process.exit(broken.length === 0 ? 0 : 1)
