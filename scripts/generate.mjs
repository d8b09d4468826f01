// Makes what is made from something else: wire types from protocols/*.proto, docs/ERRORS.md from the error table.
// With --check, changes nothing and fails when a committed file is not what would be made.
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { root, run, say } from './setup.mjs'

const WIRE = 'src/wire/generated'
const ERRORS = 'docs/ERRORS.md'
const checkOnly = process.argv.includes('--check')
const made = mkdtempSync(join(tmpdir(), 'edgecoder-generate-'))

process.exitCode = wire() || errors()
rmSync(made, { recursive: true, force: true })

function wire() {
  const template = readFileSync(join(root, 'buf.gen.yaml'), 'utf8').replace(WIRE, join(made, 'wire'))
  const status = run(join(root, 'node_modules/.bin/buf'), ['generate', '--template', template], {
    env: { ...process.env, PATH: `${join(root, 'node_modules/.bin')}:${process.env.PATH}` },
  })
  if (status !== 0) return status
  if (!checkOnly) {
    rmSync(join(root, WIRE), { recursive: true, force: true })
    cpSync(join(made, 'wire'), join(root, WIRE), { recursive: true })
    return 0
  }
  const differing = filesOf(join(made, 'wire')).filter(
    (file) => !same(join(made, 'wire', file), join(root, WIRE, file)),
  )
  return stale(differing.map((file) => join(WIRE, file)))
}

function errors() {
  const page = spawnSync(join(root, 'node_modules/.bin/tsx'), ['scripts/errors-page.ts'], { cwd: root })
  if (page.status !== 0) {
    say(page.stderr.toString())
    return 1
  }
  const target = join(root, ERRORS)
  if (!checkOnly) writeFileSync(target, page.stdout)
  else if (!existsSync(target) || !page.stdout.equals(readFileSync(target))) return stale([ERRORS])
  return 0
}

function filesOf(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
}

function same(a, b) {
  return existsSync(b) && readFileSync(a).equals(readFileSync(b))
}

function stale(files) {
  for (const file of files) say(`generate: ${file} is stale: run \`npm run generate\` and commit it.`)
  return files.length === 0 ? 0 : 1
}
