// `npm run -s bench -- --only NAME --json`: whole runs of the built product; one JSON object a bench on stdout.
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { build } from './build.mjs'
import { root, say, setup } from './setup.mjs'

const folder = join(root, 'scripts', 'bench')
const names = readdirSync(folder)
  .filter((file) => file.endsWith('.bench.ts'))
  .map((file) => file.replace('.bench.ts', ''))
  .sort()

const { values } = parseArgs({
  options: { only: { type: 'string' }, json: { type: 'boolean', default: false } },
})
const chosen = values.only === undefined ? names : [values.only]
if (values.only !== undefined && !names.includes(values.only)) {
  say(`bench: no bench "${values.only}". There are: ${names.join(', ')}`)
  process.exit(2)
}

setup()
build()
for (const name of chosen) runOne(name)

function runOne(name) {
  const { status, stdout } = spawnSync(process.execPath, ['--import', 'tsx', join(folder, 'main.ts'), name], {
    cwd: root,
    stdio: ['ignore', 'pipe', 2],
    maxBuffer: 16 * 1024 * 1024,
  })
  if (status !== 0) {
    say(`bench: ${name} failed (exit ${status})`)
    process.exitCode = 1
    return
  }
  const result = JSON.parse(stdout.toString())
  if (values.json) process.stdout.write(`${JSON.stringify(result)}\n`)
  else
    for (const [metric, value] of Object.entries(result.metrics))
      process.stdout.write(`${name}  ${metric}  ${value}\n`)
}
