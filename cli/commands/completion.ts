import { Argument, type Command } from 'commander'

/** `edgecoder completion bash|zsh`: prints a script to source. */
export function registerCompletion(program: Command): void {
  program
    .command('completion')
    .description('print a completion script: source <(edgecoder completion bash)')
    .addArgument(new Argument('[shell]', 'bash or zsh').choices(['bash', 'zsh']).default('bash'))
    .action((shell: string) => {
      const setUp = shell === 'zsh' ? 'autoload -U +X bashcompinit && bashcompinit\n' : ''
      process.stdout.write(`${setUp}${bashScript(program)}`)
    })
}

/** Words that lead to no command, such as values of options, are passed over. */
function bashScript(program: Command): string {
  const commands = walk(program, program.name())
  const cases = commands.map(([path, words]) => `    '${path}') words='${words.join(' ')}' ;;`)
  const paths = commands.map(([path]) => path).join('|')
  return `_edgecoder() {
  local path='edgecoder' word words='' paths='|${paths}|'
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$paths" in *"|$path $word|"*) path="$path $word" ;; esac
  done
  case "$path" in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _edgecoder edgecoder
`
}

/** Every command with the words that may follow it: its commands, its options, and those above it. */
function walk(
  command: Command,
  path: string,
  inherited: readonly string[] = [],
): readonly (readonly [path: string, words: readonly string[]])[] {
  const options = [
    ...command.options.map((option) => option.long ?? option.short ?? '').filter((word) => word !== ''),
    ...inherited,
  ]
  const names = command.commands.map((each) => each.name())
  return [
    [path, [...names, ...options]],
    ...command.commands.flatMap((each) => walk(each, `${path} ${each.name()}`, options)),
  ]
}
