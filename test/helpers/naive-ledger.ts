/**
 * What the ledger promises, in the plainest words: maps, and a copy of everything before each act that is put
 * back when the act cannot be. Shares nothing with the product.
 */
export class NaiveLedger {
  readonly home: string
  balances = new Map<string, bigint>()
  holds = new Map<
    string,
    {
      who: string
      amount: bigint
      state: string
      floor: number
      owner?: string
      parts?: bigint[]
      back: bigint
    }
  >()
  homes = new Map<string, string>()
  workers = new Map<string, string>()
  references = new Set<string>()
  arrived = new Set<string>()
  moved = new Set<string>()
  lent = new Map<string, bigint>()

  constructor(home: string) {
    this.home = home
  }

  act(how: () => void): 'ok' | 'no' {
    const { balances, holds, homes, workers, references, arrived, moved, lent } = this
    const before = structuredClone({ balances, holds, homes, workers, references, arrived, moved, lent })
    try {
      how()
      return 'ok'
    } catch (cause) {
      if (!(cause instanceof No)) throw cause
      Object.assign(this, before)
      return 'no'
    }
  }

  open(account: string, home: string) {
    no(this.homes.has(account))
    this.homes.set(account, home)
  }

  move(account: string, home: string) {
    this.moved.add(account)
    this.homes.set(account, home)
  }

  grant(account: string, amount: bigint, reference: string) {
    no(this.references.has(reference))
    this.references.add(reference)
    this.own(account)
    this.pay('sys:issuance', account, amount)
  }

  hold(task: string, account: string, amount: bigint, floor: number) {
    this.own(account)
    const old = this.holds.get(task)
    no(old !== undefined && (old.state !== 'released' || floor < old.floor))
    this.pay(account, `hold:${task}`, amount)
    this.holds.set(task, { who: account, amount, state: 'held', floor, back: 0n })
  }

  /** @param asked what the metering says, before it is cut to the hold */
  settle(task: string, worker: string, fence: number, asked: bigint, feeBp: bigint, treasuryBp: bigint) {
    const hold = this.holds.get(task)
    const owner = this.workers.get(worker)
    no(hold?.state !== 'held' || owner === undefined || fence <= (hold?.floor ?? 0))
    if (hold === undefined || owner === undefined) return
    const cost = asked > hold.amount ? hold.amount : asked
    const fee = (cost * feeBp) / 10_000n
    const treasury = (cost * treasuryBp) / 10_000n
    hold.state = 'settled'
    hold.owner = owner
    hold.parts = [cost - fee - treasury, fee, treasury]
    const home = this.homes.get(owner) ?? ''
    this.pay(`hold:${task}`, home === this.home ? owner : `transit:${home}`, cost - fee - treasury)
    this.pay(`hold:${task}`, `fee:${this.home}`, fee)
    this.pay(`hold:${task}`, 'sys:treasury', treasury)
    this.give(`hold:${task}`, hold.who, hold.amount - cost)
  }

  release(task: string) {
    const hold = this.holds.get(task)
    no(hold?.state !== 'held')
    if (hold === undefined) return
    hold.state = 'released'
    this.give(`hold:${task}`, hold.who, hold.amount)
  }

  /** From the treasury only, which needs no splitting. */
  refund(task: string, amount: bigint) {
    const hold = this.holds.get(task)
    const cost = (hold?.parts ?? []).reduce((sum, part) => sum + part, 0n)
    no(hold?.state !== 'settled' || hold.back + amount > cost)
    if (hold === undefined) return
    hold.back += amount
    this.pay('sys:treasury', 'pot', amount)
    this.give('pot', hold.who, amount)
  }

  send(from: string, to: string, toHome: string, amount: bigint) {
    this.own(from)
    if (toHome === this.home) this.own(to)
    this.pay(from, toHome === this.home ? to : `transit:${toHome}`, amount)
  }

  lend(account: string, toHome: string, amount: bigint, most: bigint) {
    this.own(account)
    no(toHome === this.home || account.includes('@'))
    const key = `${account}@${toHome}`
    const out = (this.lent.get(key) ?? 0n) + amount
    no(out > most)
    this.lent.set(key, out)
    this.pay(account, `transit:${toHome}`, amount)
  }

  /** What a slice gives back, or what came here for an account that has moved. */
  giveBack(account: string, toHome: string, amount: bigint) {
    const [owner = '', slicedTo] = account.split('@')
    no(!this.homes.has(account) || this.homes.get(owner) !== toHome)
    no(slicedTo === undefined ? toHome === this.home : slicedTo !== this.home)
    this.pay(account, toHome === this.home ? owner : `transit:${toHome}`, amount)
  }

  arrive(key: string, nature: string, from: string, to: string, amount: bigint) {
    no(this.arrived.has(key))
    this.arrived.add(key)
    const owner = to.split('@')[0] ?? ''
    if (nature === 'allot') {
      no(this.homes.get(owner) !== from && !this.moved.has(owner))
      this.homes.set(to, this.home)
    }
    no(!this.homes.has(to))
    if (nature === 'return' && (this.lent.has(`${to}@${from}`) || !this.moved.has(to))) {
      const left = (this.lent.get(`${to}@${from}`) ?? 0n) - amount
      no(left < 0n)
      this.lent.set(`${to}@${from}`, left)
    }
    this.pay(`transit:${from}`, to, amount)
  }

  balance(account: string): bigint {
    return this.balances.get(account) ?? 0n
  }

  private own(account: string) {
    no(this.homes.get(account) !== this.home)
  }

  private give(from: string, account: string, amount: bigint) {
    no(!this.homes.has(account))
    this.pay(from, account, amount)
  }

  private pay(from: string, to: string, amount: bigint) {
    const left = this.balance(from) - amount
    no(left < 0n && amount > 0n && from !== to && from !== 'sys:issuance' && !from.startsWith('transit:'))
    if (from === to) return
    this.balances.set(from, left)
    this.balances.set(to, this.balance(to) + amount)
  }
}

class No extends Error {}

function no(when: boolean) {
  if (when) throw new No()
}
