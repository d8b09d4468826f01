import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

/** The text of a file of the repository, by its path from the root. */
export function readPage(path: string): string {
  return readFileSync(`${ROOT}${path}`, 'utf8')
}

/** Files of a folder, and of those below it, by their path from the root. */
export function filesBelow(folder: string, ending: string): readonly string[] {
  return readdirSync(`${ROOT}${folder}`, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(ending))
    .map((name) => `${folder}/${name.replaceAll('\\', '/')}`)
}

/** Each row of the tables of a page as its cells, without the lines that only draw. */
export function tableRows(page: string): readonly (readonly string[])[] {
  return page
    .split('\n')
    .filter((line) => line.startsWith('|') && !/^[|\s:-]+$/.test(line))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    )
}

/** Commands of ours in the fenced blocks and the text of a page, as the words a shell would make of them. */
export function commandsOf(page: string): readonly (readonly string[])[] {
  const blocks = [...page.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)]
    .filter(([, language]) => language === '' || language === 'sh')
    .map(([, , block = '']) => block)
  const spans = page.replaceAll(/^```[\s\S]*?^```$/gm, '').matchAll(/`((?:npx )?edgecoder [^`]+)`/g)
  return [...blocks, ...[...spans].map(([, span = '']) => span)]
    .flatMap((block) => block.replaceAll(/ \\\n\s*/g, ' ').split('\n'))
    .map((line) => /^(?:\$ )?(?:npx )?edgecoder (.*)$/.exec(line)?.[1])
    .filter((line) => line !== undefined)
    .map(shellWords)
}

/** Words up to a pipe, a redirection, another command or a comment. */
function shellWords(line: string): readonly string[] {
  const words: string[] = []
  for (const [word, double, single] of line.matchAll(/"([^"]*)"|'([^']*)'|[^\s"']+/g)) {
    if (/^([|>&#;]|&&|2>)/.test(word)) break
    words.push(double ?? single ?? word)
  }
  return words
}

/** The commands in the second column of the tables of a section, in their order. @param heading with its marks */
export function runbookOf(heading: string): readonly string[] {
  const page = readPage('docs/OPERATING.md')
  const from = page.indexOf(`\n${heading}\n`)
  if (from < 0) throw new Error(`no section "${heading}"`)
  const rest = page.slice(from + heading.length + 1)
  const section = rest.slice(0, rest.search(/\n#{2,3} /))
  const rows = tableRows(section).filter(([what]) => what !== 'do')
  return rows.flatMap(([, commands = '']) =>
    [...commands.matchAll(/`([^`]+)`/g)].map(([, each = '']) => each),
  )
}
