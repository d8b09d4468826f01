// `npm test`: sets up, builds, checks, and runs every test. `npm test -- test/unit` runs a part without the checks.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from './build.mjs'
import { check } from './check.mjs'
import { root, run, say, setup } from './setup.mjs'

const parts = process.argv.slice(2)
setup({ forTests: true })
build()
if (parts.length === 0) check()

const folder = mkdtempSync(join(tmpdir(), 'edgecoder-test-'))
const report = join(folder, 'report.json')
const status = run(process.execPath, [
  join(root, 'node_modules/vitest/vitest.mjs'),
  'run',
  '--reporter=default',
  '--reporter=json',
  `--outputFile.json=${report}`,
  ...parts,
])
const { numPassedTests, numFailedTests, numPendingTests, numFailedTestSuites } = JSON.parse(
  readFileSync(report, 'utf8'),
)
rmSync(folder, { recursive: true, force: true })
if (numFailedTestSuites > 0 && numFailedTests === 0) say(`test: ${numFailedTestSuites} files could not run`)
console.log(`Tests: ${numPassedTests} passed, ${numFailedTests} failed, ${numPendingTests} skipped`)
process.exitCode = status !== 0 || numPassedTests === 0 ? 1 : 0
