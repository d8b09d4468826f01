/** What a machine tells of itself at a moment; what it cannot tell is left out. */
export interface MachineReading {
  /** Since somebody last typed or moved a mouse, as far as that is seen. */
  readonly inputIdleMs?: number
  /** What programs other than this node and its children used of all cores, since the last look; 0…1. */
  readonly othersCpuRatio?: number
  /** Left out = there is none. */
  readonly battery?: { readonly discharging: boolean; readonly chargePercent: number }
  /** Of the hottest sensor, in degrees Celsius. */
  readonly hottestC?: number
}
