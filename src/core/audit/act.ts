/** Acts that are written down, so that it can be told later who did what. Only ever add. */
export const AUDIT_KINDS = [
  // What the log says of itself.
  'audit-sealed',
  'audit-trimmed',
  'audit-mended',
  'audit-damaged',
  'node-started',
  'node-stopped',
  'policy-taken',
  'policy-refused',
  'policy-forked',
  'admission-refused',
  'key-created',
  'key-rotated',
  'key-revoked',
  'registration-created',
  'registration-used',
  'registration-revoked',
  'registration-refused',
  'node-requested',
  'node-denied',
  'node-rekeyed',
  'rotation-asked',
  'coordinator-paused',
  'coordinator-resumed',
  'resume-held',
  'worker-drained',
  'worker-undrained',
  'peer-isolated',
  'peer-released',
  'peer-cut',
  'incident-override',
  'rollout-changed',
  'log-isolated',
  'log-readmitted',
  'log-confirmed',
  'hold-released',
  'fees-drawn',
  'slice-returned',
  'terms-changed',
  'model-pulled',
  'model-forged',
  'backup-created',
  'backup-restored',
  'worker-suspended',
  'worker-reinstated',
] as const

export type AuditKind = (typeof AUDIT_KINDS)[number]

/** One security-relevant act. It never holds a prompt, a file, a token or a key: only an id or a hash of it. */
export interface AuditAct {
  readonly kind: AuditKind
  /** Who: a peer id, the id of an API key, `admin` = whoever holds this node's admin token, `node` = itself. */
  readonly by: string
  /** To what or whom: a peer id, an account, a log, the id of a key. */
  readonly of: string
  readonly outcome: 'done' | 'refused'
  /** At most 16, of 256 characters: why, how long, which digest. */
  readonly facts?: AuditFacts
}

export type AuditFacts = Readonly<Record<string, string | number | boolean>>
