import { equals } from 'uint8arrays/equals'
import { keyFault } from '../ed25519.js'
import {
  amount,
  bytes,
  choice,
  type Field,
  FieldFault,
  group,
  list,
  matching,
  uint,
} from '../ledger/field.js'
import { POLICY_MODELS, POWER_KEYS } from '../limits.js'
import { publicKeyOf } from '../peer-id.js'
import { parseKeyText } from './key-text.js'

/** What may be delegated to keys other than the root keys. Only ever add at the end. */
export const POWERS = [
  'keys',
  'terms',
  'coordinators',
  'gateways',
  'accounts',
  'enrol',
  'node-state',
  'grant',
  'reverse',
  'handover',
  'incident',
  'blacklist',
  'rollout',
  'model-sources',
] as const
export type DelegatedPower = (typeof POWERS)[number]

/** What an incident may close for the whole network. Only ever add at the end. */
export const INCIDENT_PATHS = [
  /** Nodes are enrolled, and admitted for the first time. */
  'enrollments',
  /** Credits are granted, issued, or drawn as fees. What is settled goes on. */
  'payouts',
  /** Users send credits. What is under way arrives. */
  'transfers',
  /** Models come from sources that were not used before. */
  'model-sources',
  /** Models that nobody has tried are given tasks. */
  'untested-models',
  /** Code of tasks is run: kinds `solve` and `test`. */
  'code',
] as const
export type IncidentPath = (typeof INCIDENT_PATHS)[number]

/** A field whose value must also make sense. @param fault what is wrong with it, if anything */
function checked<V>(field: Field<V>, fault: (value: V) => string | undefined): Field<V> {
  return {
    read(value) {
      const read = field.read(value)
      const wrong = fault(read)
      if (wrong !== undefined) throw new FieldFault(wrong)
      return read
    },
    write: (value) => field.write(value),
  }
}

const key = checked(bytes(32, 32), keyFault)

/** A public key as people write it. */
export const writtenKey = checked(matching(/^ed25519:[A-Za-z0-9_-]{43}$/, 'ed25519:…'), keyTextFault)

/** A peer id that its own key can be read from. */
export const keyedPeer = checked(matching(/^[A-Za-z0-9]{1,64}$/, 'a peer id'), (peer) => {
  const publicKey = publicKeyOf(peer)
  return publicKey === undefined ? 'not the peer id of an Ed25519 key' : keyFault(publicKey)
})

/** A peer with its key, so that statements of it can be checked without asking it. */
export const member = checked(group({ peer: keyedPeer, publicKey: key }), ({ peer, publicKey }) => {
  const own = publicKeyOf(peer)
  return own !== undefined && equals(own, publicKey) ? undefined : 'the key is not the one of the peer id'
})

/** Who or what a blacklist is about, as text: `peer:<id>`, `account:<name>` or `key:ed25519:<base64url>`. */
export const subject = checked(
  matching(/^(peer|account|key):[A-Za-z0-9._:-]{1,123}$/, 'peer:…, account:… or key:…'),
  (value) => {
    const [, kind, name = ''] = /^([a-z]+):(.*)$/.exec(value) ?? []
    if (kind === 'account') return /^[A-Za-z0-9._-]{1,64}$/.test(name) ? undefined : 'not an account'
    if (kind === 'peer') return publicKeyOf(name) === undefined ? 'not the id of a peer' : undefined
    return keyTextFault(name)
  },
)

function keyTextFault(text: string): string | undefined {
  const parsed = parseKeyText(text)
  return 'refused' in parsed ? parsed.detail : undefined
}

/** So many of these keys must sign. */
export const authority = checked(
  group({ keys: list(key, 1, POWER_KEYS), threshold: uint(POWER_KEYS) }),
  ({ keys, threshold }) => {
    if (keys.some((each, at) => keys.findIndex((other) => equals(other, each)) !== at)) {
      return 'one key is there twice'
    }
    if (threshold >= 1 && threshold <= keys.length) return undefined
    return `${threshold} of ${keys.length} keys cannot be asked for`
  },
)

/** Powers that are not left to the root keys. */
export const powers = checked(
  list(group({ power: choice(...POWERS), authority }), 0, POWERS.length),
  (delegated) =>
    new Set(delegated.map(({ power }) => power)).size === delegated.length
      ? undefined
      : 'one power is there twice',
)

/** A list in which nothing is there twice. */
export function distinct<V>(of: Field<V>, idOf: (value: V) => string, most: number): Field<readonly V[]> {
  return checked(list(of, 0, most), (values) =>
    new Set(values.map(idOf)).size === values.length ? undefined : 'one is there twice',
  )
}

/** Those that are closed from a message on, all of them. */
export const closedPaths = distinct(choice(...INCIDENT_PATHS), (path) => path, INCIDENT_PATHS.length)

const digest = bytes(32, 32)
/** As engines name it. */
const modelName = matching(/^[^\p{Cc}]{1,128}$/u, 'the name of a model: 1 to 128 characters')

/** Models that may serve: by name, what their engine says they are, and where they come from. */
export const modelSources = distinct(
  group({
    name: modelName,
    digest,
    source: matching(/^(https?:\/\/[^\s\p{Cc}]{1,240}|ollama)$/u, 'the URL of a file, or ollama'),
  }),
  ({ name, digest: of }) => `${of.join()} ${name}`,
  POLICY_MODELS,
)

const micro = amount(0n)
const span = uint()

/** All parameters of the economy: `EconomyTerms`. Whether they can be in force is for the rules to say. */
export const terms = group({
  prices: group({ inputPer1000Tokens: micro, outputPer1000Tokens: micro, perSandboxSecond: micro }),
  classFactors: group({ large: micro, medium: micro, small: micro, tiny: micro }),
  pricing: group({
    windowMs: span,
    targetBasisPoints: micro,
    stepDivisor: micro,
    leastMultiplier: micro,
    mostMultiplier: micro,
  }),
  issuance: group({
    windowMs: span,
    recalculateMs: span,
    baseDailyPool: micro,
    leastDailyPool: micro,
    mostDailyPool: micro,
    loadSlope: micro,
    smoothing: micro,
    leastLoad: micro,
    mostLoad: micro,
    coordinatorBasisPoints: micro,
    reserveBasisPoints: micro,
    capBasisPoints: micro,
    leastWork: micro,
  }),
  feeBasisPoints: micro,
  treasuryBasisPoints: micro,
  usageTolerance: group({ basisPoints: micro, units: micro }),
  mostAllotted: micro,
})
