import { type Edit, editScript } from './edit-script.js'

const CONTEXT_LINES = 3

/**
 * A unified diff of one file that `patch -p1` and `git apply` take.
 *
 * @param before undefined = the file is new
 * @returns empty when nothing changed
 */
export function unifiedDiff(path: string, before: string | undefined, after: string): string {
  if (before === after) return ''
  const olds = linesOf(before ?? '')
  const news = linesOf(after)
  const head = [
    `diff --git a/${path} b/${path}`,
    ...(before === undefined ? ['new file mode 100644'] : []),
    ...(olds.length + news.length === 0
      ? []
      : [before === undefined ? '--- /dev/null' : `--- a/${path}`, `+++ b/${path}`]),
  ]
  const body = hunks(editScript(olds, news)).map((edits) => hunkText(edits, olds, news))
  return `${head.join('\n')}\n${body.join('')}`
}

/** Lines with their line ends, so that a missing last one is a difference. */
function linesOf(text: string): readonly string[] {
  return text.match(/[^\n]*\n|[^\n]+/g) ?? []
}

/** Groups changes that are at most twice the context apart, each with its context around. */
function hunks(edits: readonly Edit[]): readonly (readonly Edit[])[] {
  const groups: Edit[][] = []
  let group: Edit[] = []
  edits.forEach((edit, i) => {
    if (edit.type === 'replace') {
      group.push(edit)
      return
    }
    const size = edit.oldEnd - edit.oldStart
    const first = i === 0
    const last = i === edits.length - 1
    if (!first && !last && size <= 2 * CONTEXT_LINES) {
      group.push(edit)
      return
    }
    if (!first) groups.push([...group, cut(edit, 0, Math.min(size, CONTEXT_LINES))])
    group = last ? [] : [cut(edit, Math.max(0, size - CONTEXT_LINES), size)]
  })
  if (group.some((edit) => edit.type === 'replace')) groups.push(group)
  return groups
}

function cut(edit: Edit, from: number, to: number): Edit {
  return {
    type: 'keep',
    oldStart: edit.oldStart + from,
    oldEnd: edit.oldStart + to,
    newStart: edit.newStart + from,
    newEnd: edit.newStart + to,
  }
}

function hunkText(edits: readonly Edit[], olds: readonly string[], news: readonly string[]): string {
  const oldStart = edits[0]?.oldStart ?? 0
  const newStart = edits[0]?.newStart ?? 0
  const oldCount = (edits.at(-1)?.oldEnd ?? 0) - oldStart
  const newCount = (edits.at(-1)?.newEnd ?? 0) - newStart
  const lines: string[] = []
  for (const edit of edits) {
    const taken = olds.slice(edit.oldStart, edit.oldEnd)
    if (edit.type === 'keep') lines.push(...taken.map((line) => marked(' ', line)))
    else {
      lines.push(...taken.map((line) => marked('-', line)))
      lines.push(...news.slice(edit.newStart, edit.newEnd).map((line) => marked('+', line)))
    }
  }
  return `@@ -${range(oldStart, oldCount)} +${range(newStart, newCount)} @@\n${lines.join('')}`
}

/** A range of no lines is named by the line before it. */
function range(start: number, count: number): string {
  if (count === 0) return `${start},0`
  return count === 1 ? `${start + 1}` : `${start + 1},${count}`
}

function marked(sign: string, line: string): string {
  return line.endsWith('\n') ? `${sign}${line}` : `${sign}${line}\n\\ No newline at end of file\n`
}
