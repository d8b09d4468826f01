import { describe, expect, it } from 'vitest'
import { EdgeCoderError } from '../../../../src/core/errors.js'
import { createLog, type LogInit } from '../../../../src/services/observe/log.js'

function logged(init: Omit<LogInit, 'destination'>, isTTY = false) {
  const lines: string[] = []
  const log = createLog({ ...init, destination: { write: (line) => lines.push(line), isTTY } })
  return { log, lines, json: () => lines.map((line) => JSON.parse(line)) }
}

describe('createLog', () => {
  it('writes one JSON line per event, from the least level up, with the fields of its parents', () => {
    const { log, json } = logged({ level: 'info' })
    log.debug('unseen')
    log.child({ peer: 'p1' }).info('attached', { latencyMs: 3, credits: 12n, models: ['a', 'b'] })
    expect(json()).toEqual([
      {
        level: 'info',
        time: expect.stringMatching(/^\d{4}-.*Z$/),
        peer: 'p1',
        event: 'attached',
        latencyMs: 3,
        credits: '12',
        models: ['a', 'b'],
      },
    ])
  })

  it('shows a fault by its code and cause, and a bug with its stack', () => {
    const { log, json } = logged({ level: 'info' })
    log.error('failed', {
      error: new EdgeCoderError('store-full', 'no room', { cause: new Error('ENOSPC') }),
    })
    const [line] = json()
    expect(line.error).toMatchObject({ code: 'store-full', message: 'no room', cause: { message: 'ENOSPC' } })
    expect(line.error.stack).toBeUndefined()
    expect(line.error.cause.stack).toContain('ENOSPC')
  })

  const secret = `ec_${'k'.repeat(43)}`
  it.each([
    ['a key in a text', { detail: `used ${secret} twice` }],
    ['a bearer header in a text', { detail: `Authorization: Bearer ${'a1'.repeat(20)}` }],
    ['a field named token', { adminToken: 'zzzzzz' }],
    ['a field named apiKey', { apiKey: 'zzzzzz' }],
    ['a prompt', { prompt: 'zzzzzz' }],
    ['file contents', { files: ['zzzzzz'] }],
    ['a key in an error', { error: new Error(`bad key ${secret}`) }],
    ['a key in a list', { keys: [secret] }],
  ])('blanks %s', (_name, fields) => {
    for (const format of ['json', 'text'] as const) {
      const { log, lines } = logged({ level: 'info', format })
      log.info('event', fields)
      log.child(fields).info('event')
      const all = lines.join('')
      expect(all).toContain('[redacted]')
      expect(all).not.toContain(secret)
      expect(all).not.toContain('zzzzzz')
      expect(all).not.toContain('a1a1a1a1')
    }
  })

  it('cuts long values', () => {
    const { log, lines } = logged({ level: 'info' })
    log.info('long', { detail: 'x'.repeat(1_000_000) })
    expect(lines.join('').length).toBeLessThan(2_500)
  })

  it('writes text on a terminal unless JSON is asked for, one line whatever the value holds', () => {
    const terminal = logged({ level: 'info' }, true)
    terminal.log.warn('peer-lost', { detail: 'gone\nforged line', peer: '12D3' })
    expect(terminal.lines).toHaveLength(1)
    expect(terminal.lines[0]).toMatch(/peer-lost detail="gone\\nforged line" peer=12D3\n$/)
    expect(terminal.lines[0]?.match(/\n/g)).toHaveLength(1)

    const asked = logged({ level: 'info', format: 'json' }, true)
    asked.log.info('up')
    expect(asked.json()[0].event).toBe('up')
  })
})
