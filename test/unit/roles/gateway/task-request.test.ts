import { describe, expect, it } from 'vitest'
import type { SolveRequest, TaskRequest, TestRequest } from '../../../../src/roles/gateway/gateway.js'
import { prepareTask } from '../../../../src/roles/gateway/task-request.js'
import { frames, isMalformed } from '../../../../src/wire/frame.js'
import { TaskKind } from '../../../../src/wire/generated/edgecoder/task/v1/task_pb.js'
import { chat, sha256 } from './gateway-bed.js'

const context = { id: 'made', gateway: 'gw', nowMs: 1000 }
const prepared = (request: TaskRequest) => {
  const made = prepareTask(request, context)
  if ('refused' in made) throw new Error(`${made.code}: ${made.detail}`)
  return made
}
const payloadOf = (request: TaskRequest) => {
  const payload = frames.payload.decode(prepared(request).payload)
  if (isMalformed(payload)) throw new Error(payload.detail)
  return payload.body
}
const bytes = (text: string) => new TextEncoder().encode(text)
const suite = {
  files: [{ path: 'test.js', content: bytes('require("./a.js")') }],
  command: ['node', 'test.js'],
  language: 'javascript' as const,
}
const test: TestRequest = { kind: 'test', account: 'ann', suite }
const solve: SolveRequest = { kind: 'solve', account: 'ann', model: 'm', instructions: 'write a.js', suite }

describe('a task request', () => {
  it('becomes a header without content, and a payload that its digest names', () => {
    const { header, payload, id } = prepared(chat())
    expect(id).toBe('made')
    expect(header).toMatchObject({
      id: 'ann:made',
      kind: TaskKind.CHAT,
      account: 'ann',
      model: 'tiny',
      maxOutputTokens: 1024,
      maxAttempts: 3,
      maxRunMs: 600_000,
      deadlineMs: 0n,
      priceCapMicrocredits: 0n,
      gateway: 'gw',
      submittedMs: 1000n,
      payloadBytes: payload.length,
    })
    expect(header.payloadDigest).toEqual(sha256(payload))
  })

  it('is the same bytes each time, with a seed of its own id', () => {
    expect(prepared(chat()).payload).toEqual(prepared(chat()).payload)
    expect(prepared(chat({ id: 'a' })).payload).not.toEqual(prepared(chat({ id: 'b' })).payload)
    const body = payloadOf(chat({ sampling: { temperature: 0.7, topP: 0.5, seed: 42, stop: ['x'] } }))
    expect(body.value).toMatchObject({
      sampling: { temperatureMilli: 700, topPMilli: 500, seed: 42, stop: ['x'] },
    })
  })

  it('estimates the context window from the prompt and the output asked for', () => {
    const content = 'x'.repeat(300)
    const estimate = (more: object) =>
      prepared(chat({ messages: [{ role: 'user', content }], ...more })).header
    expect(estimate({ maxOutputTokens: 50 }).contextTokens).toBe(100 + 8 + 50)
    expect(estimate({}).contextTokens).toBe(100 + 8 + 128)
    expect(prepared(solve).header.contextTokens).toBe(4 + 8 + 128)
    expect(prepared(test).header).toMatchObject({ contextTokens: 0, maxOutputTokens: 0, model: '' })
  })

  it('fills in the limits of a suite that are not given', () => {
    const body = payloadOf({ ...test, suite: { ...suite, limits: { wallMs: 5 } } })
    expect(body.case === 'test' ? body.value.suite?.limits : undefined).toMatchObject({
      wallMs: 5,
      cpuMs: 20_000,
      memoryMib: 512,
      processes: 64,
      outputBytes: 262_144,
    })
    expect(prepared(test).header.languages).toEqual(['javascript'])
  })

  const file = (path: string) => ({ ...test, suite: { ...suite, files: [{ path, content: bytes('') }] } })
  const two = (a: string, b: string) => ({
    ...test,
    suite: { ...suite, files: [a, b].map((path) => ({ path, content: bytes('') })) },
  })
  it.each<[string, TaskRequest, string, string]>([
    ['no account', chat({ account: '' }), 'bad-request', 'account'],
    ['a colon in the account', chat({ account: 'a:b' }), 'bad-request', 'account'],
    ['a bar in the id', chat({ id: 'a|b' }), 'bad-request', 'id'],
    ['a colon in the id', chat({ id: 'a:b' }), 'bad-request', 'id'],
    ['a long id', chat({ id: 'x'.repeat(65) }), 'bad-request', 'id'],
    ['an unknown kind', Object.assign({}, chat(), { kind: 'dance' as 'chat' }), 'bad-request', 'kind'],
    ['no messages', chat({ messages: [] }), 'bad-request', 'messages'],
    ['empty messages', chat({ messages: [{ role: 'user', content: '' }] }), 'bad-request', 'messages'],
    [
      'a strange role',
      chat({ messages: [{ role: 'boss' as 'user', content: 'x' }] }),
      'bad-request',
      'messages[0].role',
    ],
    ['a long model name', chat({ model: 'm'.repeat(129) }), 'bad-request', 'model'],
    ['half an attempt', chat({ maxAttempts: 1.5 }), 'bad-request', 'maxAttempts'],
    ['too many attempts', chat({ maxAttempts: 11 }), 'bad-request', 'maxAttempts'],
    ['no time', chat({ maxRunMs: 10 }), 'bad-request', 'maxRunMs'],
    ['a negative deadline', chat({ deadlineMs: -1 }), 'bad-request', 'deadlineMs'],
    ['a negative price', chat({ priceCapMicrocredits: -1n }), 'bad-request', 'priceCapMicrocredits'],
    [
      'a price past 63 bits',
      chat({ priceCapMicrocredits: 2n ** 63n }),
      'bad-request',
      'priceCapMicrocredits',
    ],
    ['no output', chat({ maxOutputTokens: 0 }), 'bad-request', 'maxOutputTokens'],
    ['a hot temperature', chat({ sampling: { temperature: 3 } }), 'bad-request', 'sampling.temperature'],
    [
      'a temperature that is no number',
      chat({ sampling: { temperature: Number.NaN } }),
      'bad-request',
      'temperature',
    ],
    ['a top_p over 1', chat({ sampling: { topP: 1.1 } }), 'bad-request', 'sampling.topP'],
    ['a negative seed', chat({ sampling: { seed: -1 } }), 'bad-request', 'sampling.seed'],
    ['an empty stop', chat({ sampling: { stop: [''] } }), 'bad-request', 'sampling.stop'],
    ['no instructions', { ...solve, instructions: '  ' }, 'bad-request', 'instructions'],
    ['too many iterations', { ...solve, maxIterations: 33 }, 'bad-request', 'maxIterations'],
    ['a target outside', { ...solve, target: '../a.js' }, 'bad-file-name', 'target'],
    ['no command', { ...test, suite: { ...suite, command: [] } }, 'bad-request', 'suite.command'],
    [
      'a NUL in the command',
      { ...test, suite: { ...suite, command: ['a', 'b\0'] } },
      'bad-request',
      'suite.command[1]',
    ],
    [
      'an unknown language',
      { ...test, suite: { ...suite, language: 'cobol' as 'python' } },
      'bad-request',
      'language',
    ],
    [
      'no memory',
      { ...test, suite: { ...suite, limits: { memoryMib: 0 } } },
      'bad-request',
      'suite.limits.memoryMib',
    ],
    ['an absolute name', file('/etc/passwd'), 'bad-file-name', 'suite.files[0].path'],
    ['a drive', file('C:x'), 'bad-file-name', 'suite.files[0].path'],
    ['a name that climbs', file('a/../../b'), 'bad-file-name', 'suite.files[0].path'],
    ['a dot part', file('./a'), 'bad-file-name', 'suite.files[0].path'],
    ['an empty part', file('a//b'), 'bad-file-name', 'suite.files[0].path'],
    ['a folder', file('a/'), 'bad-file-name', 'suite.files[0].path'],
    ['a backslash', file('a\\b'), 'bad-file-name', 'suite.files[0].path'],
    ['a NUL in a name', file('a\0b'), 'bad-file-name', 'suite.files[0].path'],
    ['a newline in a name', file('a\nb'), 'bad-file-name', 'suite.files[0].path'],
    ['half a character in a name', file('a\ud800'), 'bad-file-name', 'suite.files[0].path'],
    ['no name', file(''), 'bad-file-name', 'suite.files[0].path'],
    ['a long name', file('x'.repeat(513)), 'bad-file-name', 'suite.files[0].path'],
    ['a name twice', two('a', 'a'), 'bad-file-name', 'suite.files[1].path'],
    ['a file in a file', two('a', 'a/b'), 'bad-file-name', 'suite.files[1].path'],
    ['a file that is a folder', two('a/b', 'a'), 'bad-file-name', 'suite.files[1].path'],
    [
      'too many files',
      {
        ...test,
        suite: {
          ...suite,
          files: Array.from({ length: 1025 }, (_, i) => ({ path: `${i}`, content: bytes('') })),
        },
      },
      'too-many-files',
      'suite.files',
    ],
    [
      'a message over 4 MiB',
      chat({ messages: [{ role: 'user', content: 'x'.repeat(4_194_305) }] }),
      'payload-too-large',
      'messages[0].content',
    ],
    [
      'a payload over 8 MiB',
      chat({ messages: [1, 2, 3].map(() => ({ role: 'user', content: 'x'.repeat(3_000_000) })) }),
      'payload-too-large',
      'task',
    ],
    [
      'long instructions',
      { ...solve, instructions: 'x'.repeat(262_145) },
      'payload-too-large',
      'instructions',
    ],
  ])('with %s is refused, and says where', (_what, request, code, where) => {
    const answer = prepareTask(request, context)
    expect(answer).toMatchObject({ refused: true, code, detail: expect.stringContaining(where) })
  })
})
