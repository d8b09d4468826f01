import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { readAdminFile } from '../../../cli/session.js'
import { writeAdminFile } from '../../../src/node/data-folder.js'

let dir: string

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'edgecoder-admin-file-'))
})

afterEach(() => rmSync(dir, { recursive: true }))

it('a data folder given by a relative path is found from any folder', async () => {
  await writeAdminFile(relative(process.cwd(), dir), 'http://127.0.0.1:1')
  expect(readAdminFile(dir)).toEqual({
    url: 'http://127.0.0.1:1',
    tokenFile: join(dir, 'admin-token'),
    pid: process.pid,
  })
})
