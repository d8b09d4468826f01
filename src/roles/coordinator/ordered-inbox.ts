/** What a message leads to: known at once, or after a check that is under way. The check must not reject. */
export type Action = (() => void) | Promise<() => void>

/**
 * Messages of one link whose signatures are checked side by side but which are acted on in the order they
 * came.
 */
export interface OrderedInbox {
  /** @returns false when too many wait already; the action is then dropped */
  push(action: Action): boolean
  /** Actions that still wait are dropped. */
  close(): void
}

interface Slot {
  act: (() => void) | undefined
}

/**
 * @param bound actions that may wait at once
 * @param acted called after actions that had to wait
 * @param stopped true = what waited is not acted on any more
 */
export function createOrderedInbox(bound: number, acted: () => void, stopped: () => boolean): OrderedInbox {
  let slots: Slot[] = []
  let closed = false

  function drain(): void {
    let done = 0
    for (let slot = slots[0]; slot?.act !== undefined && !closed && !stopped(); slot = slots[done]) {
      done++
      slot.act()
    }
    slots = closed || stopped() ? [] : slots.slice(done)
    acted()
  }

  return {
    push(action) {
      if (closed) return true
      if (slots.length >= bound) return false
      if (typeof action !== 'function') {
        const slot: Slot = { act: undefined }
        slots.push(slot)
        void action.then((act) => {
          slot.act = act
          if (slots[0] === slot) drain()
        })
      } else if (slots.length > 0) slots.push({ act: action })
      else action()
      return true
    },
    close() {
      closed = true
      slots = []
    },
  }
}
