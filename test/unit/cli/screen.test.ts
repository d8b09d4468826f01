import { expect, it } from 'vitest'
import { createOutput } from '../../../cli/print/output.js'
import { Screen } from '../../../cli/watch.js'
import type { ProgressJson } from '../../../src/bridge/schemas/task.js'

/** What a terminal shows, stdout and stderr together. */
function shown(events: readonly ProgressJson[]): string {
  let text = ''
  const stream = {
    write: (piece: string) => {
      text += piece
    },
  }
  const screen = new Screen(createOutput({ stdout: stream, stderr: stream }, false))
  for (const event of events) screen.show(event)
  return text
}

const done: ProgressJson = {
  seq: 9,
  type: 'state',
  task: {
    id: 't1',
    account: 'local',
    kind: 'chat',
    model: '',
    state: 'done',
    submittedMs: 1,
    attempt: 1,
    maxAttempts: 3,
    steps: [],
  },
}
const stage = (name: 'plan' | 'test', iteration: number, text: string): ProgressJson => ({
  seq: 1,
  type: 'stage',
  attempt: 1,
  stage: name,
  iteration,
  text,
})

it('a state never stands on the line of the text before it', () => {
  const text: ProgressJson = { seq: 1, type: 'text', attempt: 1, text: 'an answer' }
  expect(shown([text, done])).toBe('an answer\n  done\n')
  expect(shown([{ ...text, text: 'an answer\n' }, done])).toBe('an answer\n  done\n')
})

it('a stage keeps the line ends inside its text, and none after it', () => {
  expect(
    shown([stage('plan', 0, 'first\n'), stage('plan', 0, 'second\n'), stage('test', 1, 'passed\n'), done]),
  ).toBe('  plan: first\n    second\n  test 1: passed\n  done\n')
})
