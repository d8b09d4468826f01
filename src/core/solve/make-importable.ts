import type { ImportWant } from './import-scan.js'

// Top level is what begins a line. Every repetition is bounded: answers may be hostile or mad.
const NAME = '([A-Za-z_$][\\w$]{0,200})'
const EXPORT = '(?:export\\s{1,20}(?:default\\s{1,20})?)?'
const FUNCTION = '(?:async\\s{1,20})?function\\s{0,20}\\*?\\s{0,20}'
const CLASS = 'class\\s{1,20}'
const BINDING = '(?:const|let|var)\\s{1,20}'
const TYPE = '(?:\\s{0,20}:[^=\\n]{1,200})?'
const ARROW = `(?:async\\b|function\\b|(?:\\([^()\\n]{0,500}\\)${TYPE}|[\\w$]{1,200})\\s{0,20}=>)`
const DECLARED = new RegExp(`^${EXPORT}(?:${FUNCTION}|${CLASS}|${BINDING})${NAME}`, 'gm')
const CALLABLE = new RegExp(
  `^${EXPORT}(?:${FUNCTION}|${CLASS})${NAME}|` +
    `^(?:export\\s{1,20})?${BINDING}${NAME}\\s{0,20}=\\s{0,20}${ARROW}`,
  'gm',
)
const EXPORTED_INLINE = new RegExp(`^export\\s{1,20}(?:${FUNCTION}|${CLASS}|${BINDING})${NAME}`, 'gm')
const EXPORT_LIST = /^export\s{0,20}\{([^}]{0,2000})\}(?!\s{0,20}from)\s{0,20};?[ \t]{0,20}$/gm
const EXPORT_DEFAULT = /^export\s{1,20}default\s/m
/**
 * `module.exports = name`, `module.exports = { a, b }` and `exports.name = name`: what can be said as an
 * export list.
 */
const COMMONJS_LIST = new RegExp(
  '^(?:module\\.)?exports(?:\\.[\\w$]{1,200})?\\s{0,20}=\\s{0,20}' +
    '(?:[A-Za-z_$][\\w$]{0,200}|\\{[\\w$,\\s]{0,2000}\\})\\s{0,20};?[ \\t]{0,20}$',
  'gm',
)
const COMMONJS_ANY = /^(?:module\.)?exports\b/m

/**
 * Gives code the exports that the tests import and that it lacks, in the module system of the importer. The
 * code itself is left as it is. When one name is wanted and the one function there bears another, it is
 * exported as that.
 *
 * @param wants what the tests import from this file; Python needs nothing and is returned unchanged
 */
export function makeImportable(code: string, path: string, wants: readonly ImportWant[]): string {
  const systems = new Set(wants.map((want) => want.system))
  if (systems.size === 0 || systems.has('python')) return code
  const esm = path.endsWith('.cjs') ? false : path.endsWith('.mjs') || systems.has('esm')
  const names = [...new Set(wants.flatMap((want) => want.names))].filter((name) => name !== 'default')
  const asDefault = wants.some((want) => want.names.includes('default'))
  const whole = wants.find((want) => want.whole !== undefined)?.whole ?? (asDefault ? 'default' : undefined)
  return esm ? asEsm(code, names, whole) : asCommonJs(code, names, whole)
}

function asEsm(code: string, names: readonly string[], whole: string | undefined): string {
  const text = code.replace(COMMONJS_LIST, '')
  const exported = new Set(captures(text, EXPORTED_INLINE))
  for (const list of captures(text, EXPORT_LIST)) {
    for (const part of list.split(','))
      exported.add(
        part
          .trim()
          .split(/\s+as\s+/)
          .at(-1) ?? '',
      )
  }
  const local = localNames(text, names, whole)
  const clauses: string[] = []
  for (const name of names) {
    const from = local(name)
    if (from !== undefined && !exported.has(name)) clauses.push(from === name ? name : `${from} as ${name}`)
  }
  if (whole !== undefined && !EXPORT_DEFAULT.test(text) && !exported.has('default')) {
    const from = local(whole)
    if (from !== undefined) clauses.push(`${from} as default`)
  }
  return clauses.length === 0 ? text : `${text.trimEnd()}\n\nexport { ${clauses.join(', ')} }\n`
}

function asCommonJs(code: string, names: readonly string[], whole: string | undefined): string {
  const listed = captures(code, EXPORT_LIST)
  const text = code
    .replace(EXPORT_LIST, '')
    .replace(
      /^export\s{1,20}default\s{1,20}(?=(?:async\s{1,20})?function\s{0,20}\*?\s{1,20}\w|class\s{1,20}\w)/gm,
      '',
    )
    .replace(/^export\s{1,20}default\s{1,20}/gm, 'module.exports = ')
    .replace(/^export\s{1,20}(?=(?:async|function|class|const|let|var)\b)/gm, '')
  if (COMMONJS_ANY.test(text)) return text
  const local = localNames(text, names, whole)
  const renamed = new Map(
    listed
      .flatMap((list) => list.split(','))
      .map((part) => {
        const [from = '', to = from] = part.trim().split(/\s+as\s+/)
        return [to, from] as const
      }),
  )
  const lines: string[] = []
  const wholeFrom = whole === undefined ? undefined : (renamed.get('default') ?? local(whole))
  if (wholeFrom !== undefined) lines.push(`module.exports = ${wholeFrom}`)
  for (const name of names) {
    const from = renamed.get(name) ?? local(name)
    if (from !== undefined) lines.push(`module.exports.${name} = ${from}`)
  }
  return lines.length === 0 ? text : `${text.trimEnd()}\n\n${lines.join('\n')}\n`
}

/**
 * @returns which top-level name of the code serves a wanted one: itself, or the only function for the only
 * want
 */
function localNames(
  text: string,
  names: readonly string[],
  whole: string | undefined,
): (wanted: string) => string | undefined {
  const declared = new Set(captures(text, DECLARED))
  const callable = [...new Set(captures(text, CALLABLE))]
  const wants = names.length + (whole === undefined ? 0 : 1)
  const only = callable.length === 1 ? callable[0] : undefined
  return (wanted) => {
    if (declared.has(wanted)) return wanted
    return wants === 1 || wanted === whole ? only : undefined
  }
}

function captures(text: string, pattern: RegExp): string[] {
  return [...text.matchAll(pattern)].map((match) => match[1] ?? match[2] ?? '').filter((name) => name !== '')
}
