import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, it } from 'vitest'
import { filesBelow, readPage } from '../../helpers/pages.js'

const decisions = filesBelow('docs/decisions', '.md').filter((path) => !path.endsWith('README.md'))
const pages = ['README.md', ...filesBelow('docs', '.md'), 'protocols/README.md']

it.each(pages)('%s links to what is there', (path) => {
  const links = [...readPage(path).matchAll(/\]\((?!https?:|#)([^)#\s]+)[^)]*\)/g)].map(([, to = '']) => to)
  const root = new URL('../../../', import.meta.url).pathname
  expect(links.filter((to) => !existsSync(join(root, dirname(path), to)))).toEqual([])
})

it.each(decisions)('%s has context, choice, cost and when to look again', (path) => {
  const heads = [
    ...readPage(path).matchAll(/^(?:## |\*\*)(Context|Choice|What it costs|When to look again)\b/gm),
  ]
  expect(heads.map(([, head]) => head)).toEqual(['Context', 'Choice', 'What it costs', 'When to look again'])
})

it.each(['docs/decisions', 'docs/checklists'])('%s/README.md lists every page of its folder', (folder) => {
  const listed = [...readPage(`${folder}/README.md`).matchAll(/^- \[[^\]]+\]\(([^)]+)\): /gm)].map(
    ([, name]) => `${folder}/${name}`,
  )
  const there = filesBelow(folder, '.md').filter((path) => !path.endsWith('README.md'))
  expect(listed.toSorted()).toEqual(there.toSorted())
})
