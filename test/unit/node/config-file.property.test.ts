import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { EdgeCoderError } from '../../../src/core/errors.js'
import { loadConfig } from '../../../src/node/config.js'
import { mutated } from '../../helpers/any-message.js'

const GOOD = Buffer.from(
  '# a node\nEDGE_RUNTIME_MODE=worker\nAGENT_ID="box-1"\nEDGE_SLOTS=2\nEDGE_ENGINE_KEY=hunter2\n',
)

let dir: string
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'edgecoder-settings-'))
})
afterAll(() => rmSync(dir, { recursive: true, force: true }))

function load(content: Uint8Array) {
  const file = join(dir, 'edgecoder.env')
  writeFileSync(file, content)
  return loadConfig({ flags: {}, env: {}, file, fileRequired: true })
}

it('a settings file is read', () => {
  expect(load(GOOD).config).toMatchObject({ agentId: 'box-1', slots: 2 })
})

it('any bytes, and any settings with a few bytes changed, are read or refused, and no secret is told', () => {
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 300 }), mutated(fc.constant(GOOD))), (content) => {
      try {
        const shown = load(content).entries.find(({ name }) => name === 'EDGE_ENGINE_KEY')?.value
        expect(['', '(set)']).toContain(shown)
      } catch (fault) {
        expect(fault).toBeInstanceOf(EdgeCoderError)
        expect(fault).toMatchObject({ code: 'bad-config', next: expect.any(String) })
      }
    }),
    { numRuns: 500 },
  )
})
