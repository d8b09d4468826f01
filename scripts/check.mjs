// Everything that can be said about the sources without running them. Under a minute.

import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { root, run, say } from './setup.mjs'

const bin = (name) => join(root, 'node_modules', '.bin', name)

const STEPS = [
  ['format and lint', () => run(bin('biome'), ['check', '--error-on-warnings', '.'])],
  ['types', () => run(bin('tsc'), ['-p', 'tsconfig.json'])],
  ['layers', layers],
  ['dead code', () => run(bin('knip'), [])],
  ['wire: lint', () => run(bin('buf'), ['lint'])],
  ['wire: no breaking change', breaking],
  ['generated files fresh', fresh],
  ['tidy', () => run(process.execPath, ['scripts/tidy.mjs'])],
]

/** dependency-cruiser passes on zero modules; so count them too. */
function layers() {
  const found = spawnSync(
    bin('depcruise'),
    ['--config', '.dependency-cruiser.cjs', '--output-type', 'json', 'src', 'cli'],
    {
      cwd: root,
      maxBuffer: 64 * 1024 * 1024,
    },
  )
  if (found.status === null) return 1
  const { summary } = JSON.parse(found.stdout.toString())
  for (const broken of summary.violations) say(`layers: ${broken.rule.name}: ${broken.from} -> ${broken.to}`)
  if (summary.totalCruised < 50) {
    say(`layers: only ${summary.totalCruised} modules were read; the check itself is broken.`)
    return 1
  }
  return summary.violations.length === 0 ? 0 : 1
}

/** Against the last commit that released the wire: a changed field number is refused, a new field is fine. */
function breaking() {
  return run(bin('buf'), ['breaking', '--against', 'protocols/wire-1.binpb'])
}

function fresh() {
  return run(process.execPath, ['scripts/generate.mjs', '--check'])
}

export function check() {
  const failed = STEPS.filter(([name, step]) => {
    const startedMs = Date.now()
    const status = step()
    say(
      `check: ${status === 0 ? 'ok  ' : 'FAIL'} ${name} (${((Date.now() - startedMs) / 1000).toFixed(1)} s)`,
    )
    return status !== 0
  })
  if (failed.length > 0) process.exit(1)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) check()
