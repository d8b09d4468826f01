/**
 * Names of accounts. Owners' accounts hold no ":" and no "@", so that none of these can be taken by one.
 */
export const ISSUANCE = 'sys:issuance'
export const TREASURY = 'sys:treasury'
export const RESERVE = 'sys:reserve'
/** Where credits go that an issuance grant is compensated with. */
export const BURN = 'sys:burn'

/** Fees that a coordinator has earned and not drawn. */
export function feeAccount(coordinator: string): string {
  return `fee:${coordinator}`
}

/** What is reserved for one task. */
export function holdAccount(task: string): string {
  return `hold:${task}`
}

/**
 * What left for another home, less what came from it. Below zero where more came than went; the two of a
 * pair of homes sum to what is under way.
 */
export function transitAccount(home: string): string {
  return `transit:${home}`
}

/** The slice of an account that another home may spend. */
export function allotmentName(account: string, home: string): string {
  return `${account}@${home}`
}

/** Whose credits a spender's are: the account itself, or the one that the slice was allotted of. */
export function ownerOf(spender: string): string {
  return spender.split('@', 1)[0] as string
}

/** Credits come from somewhere: only there may a balance be below zero. */
export function mayBeNegative(account: string): boolean {
  return account === ISSUANCE || account.startsWith('transit:')
}
