import type { MachineReading } from '../core/terms/machine-reading.js'

/** What is to be looked at; what nobody asks for is not worth the look. */
export interface MachineQuestion {
  /** By its people and by other programs. */
  readonly use: boolean
  readonly battery: boolean
  readonly heat: boolean
}

/** The machine that this node runs on, as its contributor's terms see it. Contract: test/contract/machine. */
export interface Machine {
  /** Never rejects: what cannot be read is left out. */
  read(question: MachineQuestion): Promise<MachineReading>
  /**
   * Keeps this node and all its children to a share of the cores: whole ones, at least one.
   *
   * @param cpuPercent 1…100
   * @returns why it cannot be done here; undefined = it is
   */
  confine(cpuPercent: number): Promise<string | undefined>
}
