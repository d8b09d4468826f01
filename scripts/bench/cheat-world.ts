import { dependence, rank } from '../../src/core/verification/independence.js'
import { judge, VOTES_TO_BLAME, type Vote } from '../../src/core/verification/judgement.js'
import type { WorkerRecord } from '../../src/core/verification/worker-record.js'
import {
  isProven,
  isSuspect,
  NEW_RECORD,
  recordAfter,
  sampledShare,
} from '../../src/core/verification/worker-record.js'
import type { Random } from '../../src/ports/random.js'

/** Who works in the world, and what its tests are like. */
export interface CheatWorldInit {
  readonly honest: number
  readonly cheaters: number
  /** Results that a cheater lies in, from some task on. */
  readonly lieShare: number
  readonly lieFromTask: number
  /** Tasks for each honest worker. */
  readonly tasks: number
  /** Suites that fail at random, with a chance of 0 to ½ each. */
  readonly flakyShare: number
  /** Nobody can check anybody: instead each is tried on tests whose outcome is known. */
  readonly alone: boolean
}

export interface CheatWorldEnd {
  /** Results and checks that each suspended cheater had delivered since it first could lie. */
  readonly caughtAfter: readonly number[]
  readonly missed: number
  readonly falselySuspended: number
  readonly tasks: number
  readonly checks: number
}

interface Member {
  readonly name: string
  readonly lies: boolean
  record: WorkerRecord
  done: number
  suspendedAt: number | undefined
}

const NAME = 'worker-'
const SUBMITTER = 'user'
const PASSING_SHARE = 0.7
/** Draws of a worker for a check, before it waits for ever: with hundreds of workers it never comes to that. */
const DRAWS = 200
/** Four runs make an answer firm, and six owners are tried on it then. */
const FIRMING_SHARE = 4 / 6

/**
 * Workers of an owner each, whose tasks are checked as the core decides. Everybody lies or fails in checks as
 * in tasks, since nobody can tell them apart.
 */
export function runCheatWorld(random: Random, init: CheatWorldInit): CheatWorldEnd {
  const members: Member[] = Array.from({ length: init.honest + init.cheaters }, (_, at) => ({
    name: `${NAME}${at}`,
    lies: at >= init.honest,
    record: NEW_RECORD,
    done: 0,
    suspendedAt: undefined,
  }))
  let checks = 0
  const tasks = init.honest * init.tasks
  for (let task = 0; task < tasks; task++) {
    const first = draw(members, random, () => true)
    if (first === undefined) continue
    if (first.done === 0) checks += probe(first, random, init)
    checks += oneTask(members, first, random, init)
  }
  const cheaters = members.filter(({ lies }) => lies)
  const caught = cheaters.flatMap(({ suspendedAt }) => (suspendedAt === undefined ? [] : [suspendedAt]))
  return {
    caughtAfter: caught.map((at) => at - init.lieFromTask),
    missed: cheaters.length - caught.length,
    falselySuspended: members.filter(({ lies, suspendedAt }) => !lies && suspendedAt !== undefined).length,
    tasks,
    checks,
  }
}

/** Tests, some of which fail at random. @returns what a member says of them */
function suite(random: Random, init: CheatWorldInit): (member: Member) => Vote {
  const passes = random.fraction() < PASSING_SHARE
  const flips = random.fraction() < init.flakyShare ? random.fraction() / 2 : 0
  return (member) => {
    member.done++
    const ran = random.fraction() < flips ? !passes : passes
    const lie = member.lies && member.done > init.lieFromTask && random.fraction() < init.lieShare
    return { worker: member.name, owner: member.name, outcome: ran !== lie ? 'passed' : 'failed' }
  }
}

/** Somebody who has said what is known, and of whom nothing is asked here. */
function witness(name: string): Member {
  return { name, lies: false, record: NEW_RECORD, done: 0, suspendedAt: undefined }
}

/**
 * Tries a member on tests that enough others said the same of.
 *
 * @returns checks that it took: the member's, and its part in what made the answer firm
 */
function probe(member: Member, random: Random, init: CheatWorldInit): number {
  const witnesses = Array.from({ length: VOTES_TO_BLAME }, (_, at) => witness(`witness-${at}`))
  for (;;) {
    const vote = suite(random, init)
    const known = witnesses.map(vote)
    if (known.some(({ outcome }) => outcome !== known[0]?.outcome)) continue
    const judgement = judge([...known, vote(member)])
    compared(member, judgement.type === 'wrong' ? 'wrong' : 'agreed')
    return 1 + FIRMING_SHARE
  }
}

/** @returns checks that it took */
function oneTask(members: readonly Member[], first: Member, random: Random, init: CheatWorldInit): number {
  const vote = suite(random, init)
  const votes = [vote(first)]
  if (random.fraction() >= sampledShare(first.record)) return 0
  if (init.alone) return probe(first, random, init)
  while (judge(votes).type === 'open') {
    const ranked =
      (most: number) =>
      (each: Member): boolean => {
        const candidate = { worker: each.name, owner: each.name, isProven: isProven(each.record) }
        if (dependence(votes, SUBMITTER, candidate) !== undefined) return false
        return rank(votes, isProven(first.record), candidate) <= most
      }
    const next = draw(members, random, ranked(0)) ?? draw(members, random, ranked(1))
    if (next === undefined) break
    votes.push(vote(next))
  }
  learn(members, votes)
  return votes.length - 1
}

function learn(members: readonly Member[], votes: readonly Vote[]): void {
  const judgement = judge(votes)
  if (judgement.type !== 'agreed' && judgement.type !== 'wrong') return
  for (const { worker } of votes) {
    const member = members[Number(worker.slice(NAME.length))]
    if (member === undefined) continue
    const wrong = judgement.type === 'wrong' && judgement.worker === member.name
    compared(member, wrong ? 'wrong' : 'agreed')
  }
}

function compared(member: Member, comparison: 'agreed' | 'wrong'): void {
  member.record = recordAfter(member.record, comparison)
  if (isSuspect(member.record)) member.suspendedAt ??= member.done
}

function draw(
  members: readonly Member[],
  random: Random,
  fits: (member: Member) => boolean,
): Member | undefined {
  for (let drawn = 0; drawn < DRAWS; drawn++) {
    const member = members[Math.floor(random.fraction() * members.length)]
    if (member !== undefined && member.suspendedAt === undefined && fits(member)) return member
  }
  return undefined
}
