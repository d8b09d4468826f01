import type { Command } from 'commander'
import type { z } from 'zod'
import { ADMIN_ROUTES, type AdminClient } from '../../src/bridge/admin-client.js'
import { EdgeCoderError, ERRORS, isErrorCode } from '../../src/core/errors.js'
import { extendChainFolder, loadChain } from '../../src/node/admin-policy.js'
import { answerChain } from '../chain-answer.js'
import { waiting } from '../goes-on.js'
import { chainAt, policyNodeOf } from '../node-chain.js'
import { positive } from '../number-option.js'
import { readMessage, withChain } from '../policy-files.js'
import { policyStatusText } from '../print/policy-status-text.js'
import { type Session, sessionOf } from '../session.js'

type Status = z.output<typeof ADMIN_ROUTES.policyStatus.response>

interface PublishOptions {
  readonly forks?: boolean
  readonly wait?: boolean
  readonly timeout: number
}

/** How often a node is asked how far its peers are. */
const LOOK_MS = 200
/** Shows how far messages are. */
const STATUS = 'edgecoder admin policy status'

/** `edgecoder admin policy publish|pull|status|log`: what a running node takes and has. */
export function registerAdminPublish(policy: Command): void {
  policy
    .command('publish <files...>')
    .description('give signed messages to a node, which tells them to all')
    .option('--wait', 'return once every peer that the node has a policy stream with has them')
    .option('--timeout <s>', 'how long to wait for that', positive, 30)
    .option('--forks', 'also one whose place another has: evidence that stops the policy for good')
    .action(publish)
  withChain(policy.command('pull'))
    .description('bring a copy of the policy up to what a node has, every message checked anew')
    .action(pull)
  policy
    .command('status')
    .description('how far the policy of a node and of its peers goes, and whether it can be relied on')
    .action(async (_options: unknown, command: Command) => {
      const session = sessionOf(command)
      const status = await statusOf(policyNodeOf(session), session.signal)
      session.out.answer(status, () => policyStatusText(status))
      const code = status.why?.code
      if (code !== undefined) process.exitCode = isErrorCode(code) ? ERRORS[code].exit : 1
    })
  policy
    .command('log')
    .description('every message of the policy of a node, checked anew')
    .action(async (_options: unknown, command: Command) => {
      const session = sessionOf(command)
      await answerChain(await chainAt(policyNodeOf(session), session.signal), session)
    })
}

async function publish(files: readonly string[], options: PublishOptions, command: Command): Promise<void> {
  const session = sessionOf(command)
  const node = policyNodeOf(session)
  const messages = files.map((file) => Buffer.from(readMessage(file)).toString('base64'))
  const published = []
  for (const [at, message] of messages.entries()) {
    const body = { message, ...(options.forks === true && { forks: true }) }
    const answer = await node.call(ADMIN_ROUTES.policyPublish, { body, signal: session.signal })
    session.out.say(`${files[at]}: message ${answer.sequence} is ${answer.added ? 'taken' : 'there already'}`)
    published.push(answer)
  }
  const last = Math.max(...published.map(({ sequence }) => sequence))
  const going = { what: `Message ${last} is durable at the node, and goes on to its peers.`, next: STATUS }
  const status =
    options.wait === true
      ? await waiting(session, going, () => reached(node, last, options, session))
      : undefined
  const peers = status?.peers.length
  session.out.answer({ published, ...(peers === undefined ? {} : { peers }) }, () =>
    peers === undefined
      ? `message ${last} is durable at the node, and on its way to all`
      : `message ${last} is at ${peers} of ${peers} peers of the node`,
  )
}

/** @throws EdgeCoderError `policy-out-of-order` when the copy has what the node has not */
async function pull({ chain: folder }: { readonly chain: string }, command: Command): Promise<void> {
  const session = sessionOf(command)
  const chain = await chainAt(policyNodeOf(session), session.signal)
  const { head } = await loadChain(folder)
  if (head !== undefined && chain.find(head.digest) === undefined) {
    throw new EdgeCoderError(
      'policy-out-of-order',
      `the node has not got message ${head.sequence} of ${folder}`,
      {
        next: 'Is it the folder of this network? Ask another node (--node), or publish what the folder has.',
      },
    )
  }
  const added = await extendChainFolder(folder, chain)
  const { network, sequence } = chain.head ?? {}
  session.out.answer(
    { folder, network, added, sequence },
    () => `${folder} has ${added} more messages, to ${sequence} (network ${network})`,
  )
}

/** @throws EdgeCoderError `timed-out`, with how many have it */
async function reached(
  node: AdminClient,
  sequence: number,
  { timeout }: PublishOptions,
  { signal }: Session,
): Promise<Status> {
  const deadline = performance.now() + timeout * 1_000
  for (;;) {
    const status = await statusOf(node, signal)
    const missing = status.peers.filter(({ messages }) => messages <= sequence)
    if (missing.length === 0) return status
    if (performance.now() > deadline) {
      const have = status.peers.length - missing.length
      throw new EdgeCoderError(
        'timed-out',
        `message ${sequence} is durable at the node, and at ${have} of ${status.peers.length} peers`,
        { next: `It goes on to the others by itself; ${STATUS} tells how far they are.` },
      )
    }
    await new Promise((resolve) => {
      setTimeout(resolve, LOOK_MS)
    })
  }
}

function statusOf(node: AdminClient, signal: AbortSignal): Promise<Status> {
  return node.call(ADMIN_ROUTES.policyStatus, { signal })
}
