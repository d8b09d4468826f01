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

function bashScript(program: Command): string {
  const cases = walk(program, program.name()).map(
    ([path, words]) => `    '${path}') words='${words.join(' ')}' ;;`,
  )
  return `_edgecoder() {
  local path='edgecoder' word words=''
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$word" in -*) ;; *) path="$path $word" ;; esac
  done
  case "$path" in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _edgecoder edgecoder
`
}

/** Every command with the words that may follow it. */
function walk(
  command: Command,
  path: string,
): readonly (readonly [path: string, words: readonly string[]])[] {
  const words = [
    ...command.commands.map((each) => each.name()),
    ...command.options.map((option) => option.long ?? option.short ?? ''),
  ].filter((word) => word !== '')
  return [[path, words], ...command.commands.flatMap((each) => walk(each, `${path} ${each.name()}`))]
}
