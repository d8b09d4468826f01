import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { findCgroupHome } from '../../../src/services/sandbox/cgroup.js'

/** Plain folders lack the files that the kernel makes in a new group, as one without controllers does. */
describe('the place for control groups', () => {
  let root: string
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'edgecoder-test-'))
    mkdirSync(join(root, 'system.slice/edgecoder.service/main'), { recursive: true })
  })
  afterEach(() => rmSync(root, { recursive: true, force: true }))
  const own = (line: string) => {
    writeFileSync(join(root, 'own'), line)
    return join(root, 'own')
  }

  it.each(['0::/system.slice/edgecoder.service/main\n', '0::/\n', '', '4:memory:/a\n8:pids:/a\n0::/\n'])(
    'is none where no controller is given to us: %j',
    (line) => {
      expect(findCgroupHome(root, own(line))).toBeUndefined()
    },
  )

  it('leaves nothing behind from looking', () => {
    findCgroupHome(root, own('0::/system.slice/edgecoder.service/main\n'))
    expect(() => rmSync(join(root, 'system.slice/edgecoder.service/main'), { recursive: false })).toThrow()
    expect(readFileSync(join(root, 'own'), 'utf8')).toContain('main')
  })

  it('is none on a system without them', () => {
    expect(findCgroupHome(join(root, 'none'), join(root, 'none'))).toBeUndefined()
  })
})
