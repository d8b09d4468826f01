/** One attempt: a task, and the fence of its lease. */
export interface LeaseId {
  readonly taskId: string
  readonly fence: bigint
}

/** Identifies an attempt in maps. */
export function leaseKey(lease: LeaseId): string {
  return `${lease.taskId}#${lease.fence}`
}
