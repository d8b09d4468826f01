import type { Closing } from '../../core/terms/judge-terms.js'

/** What one coordinator is offered now. */
export interface Offer {
  readonly free: number
  /** Why none, when none; empty while slots are merely busy. */
  readonly reason: '' | 'draining' | 'lent' | Closing
}

/**
 * Which slots are taken, and who is offered the free ones: one coordinator at a time, so that none is offered
 * twice.
 */
export class SlotBook {
  readonly total: number
  #busy = 0
  #home: string | undefined
  #lentTo: string | undefined
  #draining = false
  #closing: Closing | undefined

  constructor(total: number) {
    this.total = total
  }

  get busy(): number {
    return this.#busy
  }

  get free(): number {
    return this.#draining || this.#closing !== undefined ? 0 : this.total - this.#busy
  }

  get draining(): boolean {
    return this.#draining
  }

  get lentTo(): string | undefined {
    return this.#lentTo
  }

  /** @returns false when every slot is taken, or none is given out any more */
  take(): boolean {
    if (this.free === 0) return false
    this.#busy++
    return true
  }

  giveBack(): void {
    this.#busy--
  }

  /** The coordinator that has the free slots unless they are lent. */
  belongTo(coordinator: string | undefined): void {
    this.#home = coordinator
  }

  /** Takes the free slots away from home until {@link bringHome}. */
  lend(coordinator: string): void {
    this.#lentTo = coordinator
  }

  bringHome(): void {
    this.#lentTo = undefined
  }

  drain(): void {
    this.#draining = true
  }

  /** Gives out nothing while the contributor's terms keep it from work; undefined = they do not. */
  closeFor(closing: Closing | undefined): void {
    this.#closing = closing
  }

  /** Why nothing is given out, though slots may be free. */
  get shut(): 'draining' | Closing | undefined {
    return this.#draining ? 'draining' : this.#closing
  }

  offerTo(coordinator: string): Offer {
    if (this.shut !== undefined) return { free: 0, reason: this.shut }
    if (coordinator === (this.#lentTo ?? this.#home)) return { free: this.free, reason: '' }
    return { free: 0, reason: this.#lentTo === undefined ? '' : 'lent' }
  }
}
