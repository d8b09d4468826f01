import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { MOVES } from '../../../../src/core/task/moves.js'

const page = readFileSync(new URL('../../../../docs/states/task.md', import.meta.url), 'utf8')
const moves = Object.entries(MOVES).flatMap(([state, row]) =>
  Object.entries(row).map(([event, move]) => ({ state, event, to: move.to as readonly string[] })),
)

it('the table of docs/states/task.md is the table of moves', () => {
  const rows = page
    .split('\n')
    .filter((line) => /^\| [a-z]+ \| [a-z-]+ \|/.test(line) && !line.startsWith('| state'))
    .map((line) =>
      line
        .split('|')
        .slice(1, 4)
        .map((cell) => cell.trim())
        .join(' | '),
    )
  const sorted = (to: string) => to.split(', ').sort().join(', ')
  expect(rows.map((row) => row.replace(/[^|]*$/, (to) => ` ${sorted(to.trim())}`)).sort()).toEqual(
    moves.map(({ state, event, to }) => `${state} | ${event} | ${sorted(to.join(', '))}`).sort(),
  )
})

it('the diagram of docs/states/task.md draws every change of state, and no other', () => {
  const drawn = [...page.matchAll(/^ +([a-z]+) --> ([a-z]+): (.+)$/gm)].flatMap(([, from, to, events]) =>
    (events ?? '').split(', ').map((event) => `${from} ${event} ${to}`),
  )
  const changes = moves.flatMap(({ state, event, to }) =>
    to.filter((each) => each !== 'same' && each !== 'refused').map((each) => `${state} ${event} ${each}`),
  )
  expect(drawn.sort()).toEqual(changes.sort())
})
