import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const JANITOR = fileURLToPath(new URL('./hosts-janitor-child.ts', import.meta.url))
const TABLE = 'edgecoder'
let made = 0

/** What this machine does not let a test do, and why; an empty list = nothing is in the way. */
export interface HostLimits {
  readonly hosts?: string
  readonly loss?: string
  readonly slow?: string
}

/** Tries each, in a namespace of its own that is gone afterwards. */
export function hostLimits(): HostLimits {
  const name = `edgecoder-${process.pid}-trial`
  const hosts = attempt(() => {
    ip([], `netns add ${name}`)
    ip(['-n', name], 'link add name bridge0 type bridge', 'link add name one type veth peer name two')
  })
  const limits = hosts === undefined ? withoutHost(name) : { hosts, loss: hosts, slow: hosts }
  spawnSync('ip', ['netns', 'del', name])
  return limits
}

function withoutHost(name: string): HostLimits {
  const loss = attempt(() => nft(name, lossRules(['one'], 1)))
  const slow = attempt(() => shape(name, 'one', 1_000))
  return { ...(loss === undefined ? {} : { loss }), ...(slow === undefined ? {} : { slow }) }
}

/**
 * Hosts of one machine: each a network namespace with a loopback and an address of its own, plugged into one switch,
 * which is a namespace too. Nothing outside of these is touched, and all is removed when the test ends, however it
 * ends.
 */
export class Hosts {
  readonly #tag: string
  readonly #names: readonly string[]
  readonly #janitor: ChildProcess

  private constructor(tag: string, names: readonly string[], janitor: ChildProcess) {
    this.#tag = tag
    this.#names = names
    this.#janitor = janitor
  }

  /** @param names of the hosts, at most 200; each has an address by its place */
  static create(names: readonly string[]): Hosts {
    const tag = `edgecoder-${process.pid}-${++made}`
    const namespaces = ['switch', ...names].map((name) => `${tag}-${name}`)
    const janitor = spawn(process.execPath, ['--import', 'tsx', JANITOR, ...namespaces], {
      stdio: ['pipe', 'ignore', 'inherit'],
      detached: true,
    })
    const hosts = new Hosts(tag, names, janitor)
    ip([], ...namespaces.map((name) => `netns add ${name}`))
    hosts.#inSwitch('link add name bridge0 type bridge', 'link set bridge0 up')
    for (const name of names) hosts.#plugIn(name)
    return hosts
  }

  #plugIn(name: string): void {
    const port = this.#portOf(name)
    const namespace = this.#namespaceOf(name)
    this.#inSwitch(
      `link add name ${port} type veth peer name eth0 netns ${namespace}`,
      `link set ${port} master bridge0`,
      `link set ${port} up`,
    )
    ip(['-n', namespace], 'link set lo up', `addr add ${this.address(name)}/24 dev eth0`, 'link set eth0 up')
  }

  /** Where the others reach it. */
  address(name: string): string {
    return `10.77.0.${this.#place(name) + 1}`
  }

  /** What a command line begins with that runs on it. */
  command(name: string): readonly string[] {
    return ['ip', 'netns', 'exec', this.#namespaceOf(name)]
  }

  /** Pulls its cable: nothing comes or goes any more, and nobody is told. */
  unplug(name: string): void {
    this.#inSwitch(`link set ${this.#portOf(name)} down`)
  }

  plug(name: string): void {
    this.#inSwitch(`link set ${this.#portOf(name)} up`)
  }

  /** From now on so much of what any host sends is lost. @param percent 1 to 100 */
  lose(percent: number): void {
    nft(
      this.#switch,
      lossRules(
        this.#names.map((name) => this.#portOf(name)),
        percent,
      ),
    )
  }

  /** @returns packets that were lost since {@link lose} */
  lost(): number {
    const { stdout } = must('ip', ['netns', 'exec', this.#switch, 'nft', 'list', 'counters'])
    return Number(/packets (\d+)/.exec(stdout)?.[1])
  }

  loseNothing(): void {
    nft(this.#switch, `delete table netdev ${TABLE}`)
  }

  /** Lets no more than so much come to it, or from it, from now on. */
  slow(name: string, kilobitsPerS: number): void {
    shape(this.#switch, this.#portOf(name), kilobitsPerS)
    shape(this.#namespaceOf(name), 'eth0', kilobitsPerS)
  }

  /** Ends what runs on them and removes them. */
  async close(): Promise<void> {
    const gone = once(this.#janitor, 'exit')
    this.#janitor.stdin?.end()
    await gone
  }

  get #switch(): string {
    return this.#namespaceOf('switch')
  }

  #inSwitch(...lines: readonly string[]): void {
    ip(['-n', this.#switch], ...lines)
  }

  #namespaceOf(name: string): string {
    return `${this.#tag}-${name}`
  }

  #portOf(name: string): string {
    return `port${this.#place(name)}`
  }

  #place(name: string): number {
    const place = this.#names.indexOf(name)
    if (place < 0) throw new Error(`no host ${name}: ${this.#names.join(', ')}`)
    return place
  }
}

/** netem can do it too, but few kernels have it. */
function lossRules(ports: readonly string[], percent: number): string {
  const chains = ports.map(
    (port) => `chain ${port} {
      type filter hook ingress device "${port}" priority 0;
      numgen random mod 100 < ${percent} counter name lost drop
    }`,
  )
  return `table netdev ${TABLE} {
    counter lost { }
    ${chains.join('\n')}
  }`
}

function nft(namespace: string, rules: string): void {
  must('ip', ['netns', 'exec', namespace, 'nft', '-f', '-'], rules)
}

function shape(namespace: string, device: string, kilobitsPerS: number): void {
  const rate = ['rate', `${kilobitsPerS}kbit`, 'burst', '4kb', 'latency', '2s']
  must('tc', ['-n', namespace, 'qdisc', 'replace', 'dev', device, 'root', 'tbf', ...rate])
}

function ip(options: readonly string[], ...lines: readonly string[]): void {
  must('ip', [...options, '-batch', '-'], lines.join('\n'))
}

/** @throws Error that says what failed, and what the program said */
function must(program: string, args: readonly string[], input = ''): { readonly stdout: string } {
  const { error, status, stdout, stderr } = spawnSync(program, args, { input, encoding: 'utf8' })
  if (error !== undefined) throw new Error(`${program} cannot be run: ${error.message}`)
  if (status === 0) return { stdout }
  throw new Error(`${[program, ...args].join(' ')}: ${stderr.trim().split('\n')[0]}`)
}

/** @returns why it could not be done */
function attempt(what: () => void): string | undefined {
  try {
    what()
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}
