/** One place in a chain. */
export interface ChainLink<Item> {
  readonly item: Item
  before: ChainLink<Item> | undefined
  after: ChainLink<Item> | undefined
}

/** A list in which any item can be removed in O(1), given its link. */
export class Chain<Item> {
  #first: ChainLink<Item> | undefined
  #last: ChainLink<Item> | undefined
  #size = 0

  get size(): number {
    return this.#size
  }

  first(): Item | undefined {
    return this.#first?.item
  }

  append(item: Item): ChainLink<Item> {
    const link: ChainLink<Item> = { item, before: this.#last, after: undefined }
    if (this.#last === undefined) this.#first = link
    else this.#last.after = link
    this.#last = link
    this.#size += 1
    return link
  }

  prepend(item: Item): ChainLink<Item> {
    const link: ChainLink<Item> = { item, before: undefined, after: this.#first }
    if (this.#first === undefined) this.#last = link
    else this.#first.before = link
    this.#first = link
    this.#size += 1
    return link
  }

  /** The link must be of this chain, and is removed once. */
  remove(link: ChainLink<Item>): void {
    if (link.before === undefined) this.#first = link.after
    else link.before.after = link.after
    if (link.after === undefined) this.#last = link.before
    else link.after.before = link.before
    this.#size -= 1
  }

  *values(): IterableIterator<Item> {
    for (let link = this.#first; link !== undefined; link = link.after) yield link.item
  }
}
