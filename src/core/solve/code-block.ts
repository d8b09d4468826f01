/** A piece of code in a model's answer. */
export interface CodeBlock {
  /** The file that the answer says it is, as written there; absent = unnamed. */
  readonly path?: string
  readonly code: string
}

const FILE = '(?:[\\w@.-]+/)*[\\w@.-]+\\.(?:mjs|cjs|jsx|js|mts|cts|tsx|ts|py|json|html|css|md|txt|toml|ya?ml)'
const PATH = new RegExp(`(?:^|[\\s:="'\`(*])(${FILE})(?=$|[\\s:"'\`)*,;])`)
const FENCE = /^ {0,3}(`{3,}|~{3,})[ \t]*([^`]*)$/
const NAME_COMMENT = new RegExp(
  `^(?://|#|/\\*|<!--)\\s*(?:file(?:name)?\\s*:?\\s*)?(${FILE})\\s*(?:\\*/|-->)?\\s*$`,
  'i',
)
const NOT_CODE = /^(?:bash|sh|shell|console|text|txt|diff|output|json|plaintext)\b/i
const CODE_STARTS = [
  /^(?:export\s|async\s+function\b|function\b|class\s+\w|(?:const|let|var)\s+[\w${[])/,
  /^(?:import\s.+\sfrom\s|from\s+\S+\s+import\b|def\s+\w+\s*\(|@\w+)/,
]
const LONGEST_NAMING_LINE = 200

/**
 * Takes the code out of a model's answer: fenced blocks, with the file name when the fence, the line before
 * it or the first comment gives one; else bare code from its first line on. Thinking in `<think>` is left
 * out.
 *
 * @returns named blocks in order when there are any; else the longest unnamed one; empty = no code in it
 */
export function extractCode(answer: string): readonly CodeBlock[] {
  const thought = answer.lastIndexOf('</think>')
  const said = thought < 0 ? answer : answer.slice(thought + '</think>'.length)
  const lines = said.replaceAll('\r\n', '\n').split('\n')
  const fenced = fencedBlocks(lines)
  if (fenced.found) {
    const named = fenced.blocks.filter((block) => block.path !== undefined)
    return named.length > 0 ? named : longest(fenced.blocks)
  }
  const start = lines.findIndex((line) => CODE_STARTS.some((start) => start.test(line.trimStart())))
  return start < 0 ? [] : [nameFromComment(lines.slice(start))]
}

/** Every path-like word of a text, once, in order. */
export function pathsNamed(text: string): readonly string[] {
  const words = new RegExp(PATH.source, 'gm')
  const found = new Set<string>()
  for (const match of text.matchAll(words)) {
    if (match[1] !== undefined) found.add(match[1])
  }
  return [...found]
}

function fencedBlocks(lines: readonly string[]): { found: boolean; blocks: CodeBlock[] } {
  const blocks: CodeBlock[] = []
  let found = false
  let before = ''
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i] ?? ''
    const open = FENCE.exec(line)
    if (open === null) {
      if (line.trim() !== '') before = line
      continue
    }
    found = true
    const fence = open[1] ?? ''
    const info = open[2] ?? ''
    const body: string[] = []
    // A fence left open (the answer was cut) runs to the end.
    for (i++; i < lines.length && !closes(lines[i] ?? '', fence); i++) body.push(lines[i] ?? '')
    const path = PATH.exec(info)?.[1] ?? soleName(before)
    const block = path === undefined ? nameFromComment(body) : { path, code: joined(body) }
    before = ''
    if (block.path === undefined && NOT_CODE.test(info)) continue
    if (block.code.trim() !== '') blocks.push(block)
  }
  return { found, blocks }
}

function closes(line: string, fence: string): boolean {
  const trimmed = line.trim()
  return trimmed.startsWith(fence) && trimmed.replaceAll(fence.charAt(0), '') === ''
}

function soleName(line: string): string | undefined {
  if (line.length > LONGEST_NAMING_LINE) return undefined
  const names = pathsNamed(line)
  return names.length === 1 ? names[0] : undefined
}

function nameFromComment(body: readonly string[]): CodeBlock {
  const path = NAME_COMMENT.exec((body[0] ?? '').slice(0, LONGEST_NAMING_LINE))?.[1]
  return path === undefined ? { code: joined(body) } : { path, code: joined(body.slice(1)) }
}

function joined(lines: readonly string[]): string {
  return `${lines.join('\n').trimEnd()}\n`
}

function longest(blocks: readonly CodeBlock[]): readonly CodeBlock[] {
  let best: CodeBlock | undefined
  for (const block of blocks) if (best === undefined || block.code.length > best.code.length) best = block
  return best === undefined ? [] : [best]
}
