import type { Random } from '../../src/ports/random.js'

/** Chance in the shapes that a plan is made of. */
export interface Dice {
  /** @returns a whole number from `least` to `most`, both included */
  whole(least: number, most: number): number
  chance(share: number): boolean
  of<T>(choices: readonly T[]): T
}

export function createDice(random: Random): Dice {
  const whole = (least: number, most: number): number =>
    least + Math.floor(random.fraction() * (most - least + 1))
  return {
    whole,
    chance: (share) => random.fraction() < share,
    of<T>(choices: readonly T[]): T {
      const chosen = choices[whole(0, choices.length - 1)]
      if (chosen === undefined) throw new Error('nothing to choose from')
      return chosen
    },
  }
}
