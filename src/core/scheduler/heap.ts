/**
 * Where an item stands in its heap; -1 = in none. Kept by the heap, so that any item can be moved or removed
 * in O(log n).
 */
export interface Placed {
  place: number
}

/** A binary heap: the first item by `before` is on top. An item is in one heap at most. */
export class Heap<Item extends Placed> {
  readonly #items: Item[] = []
  readonly #before: (a: Item, b: Item) => boolean

  constructor(before: (a: Item, b: Item) => boolean) {
    this.#before = before
  }

  get size(): number {
    return this.#items.length
  }

  peek(): Item | undefined {
    return this.#items[0]
  }

  push(item: Item): void {
    this.#items.push(item)
    this.#up(item, this.#items.length - 1)
  }

  pop(): Item | undefined {
    const top = this.#items[0]
    if (top !== undefined) this.remove(top)
    return top
  }

  has(item: Item): boolean {
    return this.#items[item.place] === item
  }

  /** Finds its place anew after what it is ordered by has changed. */
  update(item: Item): void {
    if (this.has(item)) this.#down(item, this.#up(item, item.place))
  }

  remove(item: Item): void {
    if (!this.has(item)) return
    const place = item.place
    const last = this.#items.pop()
    item.place = -1
    if (last === undefined || last === item) return
    this.#down(last, this.#up(last, place))
  }

  #up(item: Item, from: number): number {
    let place = from
    while (place > 0) {
      const above = (place - 1) >> 1
      const other = this.#items[above]
      if (other === undefined || !this.#before(item, other)) break
      this.#put(other, place)
      place = above
    }
    this.#put(item, place)
    return place
  }

  #down(item: Item, from: number): void {
    let place = from
    for (;;) {
      const left = this.#items[place * 2 + 1]
      const right = this.#items[place * 2 + 2]
      const other = left !== undefined && right !== undefined && this.#before(right, left) ? right : left
      if (other === undefined || !this.#before(other, item)) break
      const below = other.place
      this.#put(other, place)
      place = below
    }
    this.#put(item, place)
  }

  #put(item: Item, place: number): void {
    this.#items[place] = item
    item.place = place
  }
}
