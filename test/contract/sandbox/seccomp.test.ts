import { describe, expect, it } from 'vitest'
import { seccompProgram } from '../../../src/services/sandbox/seccomp.js'

const ALLOW = 0x7fff0000
const EPERM = 0x00050001
const ENOSYS = 0x00050026
const KILL = 0x80000000
const X64 = 0xc000003e
const ARM64 = 0xc00000b7

interface Call {
  readonly arch: number
  readonly number: number
  readonly args?: readonly number[]
}

/** Runs the filter as the kernel does: the few instructions it is made of, jumps forward only. */
function verdictOf(program: Uint8Array, { arch, number, args = [] }: Call): number {
  const data = Buffer.alloc(64)
  data.writeUInt32LE(number, 0)
  data.writeUInt32LE(arch, 4)
  args.forEach((arg, at) => {
    data.writeUInt32LE(arg >>> 0, 16 + 8 * at)
  })
  const code = Buffer.from(program)
  let loaded = 0
  for (let at = 0; at < code.length; at += 8) {
    const [op, k] = [code.readUInt16LE(at), code.readUInt32LE(at + 4)]
    if (op === 0x06) return k
    if (op === 0x20) {
      loaded = data.readUInt32LE(k)
      continue
    }
    const tests: Record<number, boolean> = { 21: loaded === k, 53: loaded >= k, 69: (loaded & k) !== 0 }
    const holds = tests[op]
    if (holds === undefined) throw new Error(`instruction ${op}`)
    at += 8 * code.readUInt8(at + (holds ? 2 : 3))
  }
  throw new Error('fell off the end')
}

describe('the seccomp filter', () => {
  const machines = [
    { arch: 'x64', audit: X64, read: 0, ptrace: 101, keyctl: 250, clone: 56, socket: 41, ioctl: 16 },
    { arch: 'arm64', audit: ARM64, read: 63, ptrace: 117, keyctl: 219, clone: 220, socket: 198, ioctl: 29 },
  ]
  it.each(machines)('$arch', ({ arch, audit, read, ptrace, keyctl, clone, socket, ioctl }) => {
    const program = seccompProgram(arch) ?? new Uint8Array()
    const on = (number: number, ...args: number[]) => verdictOf(program, { arch: audit, number, args })
    expect(on(read)).toBe(ALLOW)
    expect([ptrace, keyctl, 425, 438].map((number) => on(number))).toEqual([EPERM, EPERM, EPERM, EPERM])
    expect(on(435)).toBe(ENOSYS)
    expect([on(clone, 0x10000000 | 17), on(clone, 0x40000000), on(clone, 0x3d0f00)]).toEqual([
      EPERM,
      EPERM,
      ALLOW,
    ])
    expect([1, 2, 10, 16, 17, 38, 40].map((family) => on(socket, family))).toEqual([
      ...[ALLOW, ALLOW, ALLOW, ALLOW],
      ...[EPERM, EPERM, EPERM],
    ])
    expect([on(ioctl, 0, 0x5412), on(ioctl, 0, 0x5401)]).toEqual([EPERM, ALLOW])
    expect(verdictOf(program, { arch: 0x40000003, number: read })).toBe(KILL)
  })

  it('kills the x32 ABI, which numbers calls otherwise', () => {
    const program = seccompProgram('x64') ?? new Uint8Array()
    expect(verdictOf(program, { arch: X64, number: 0x40000000 | 520 })).toBe(KILL)
  })

  it('is none for a machine kind whose calls we have not numbered', () => {
    expect(seccompProgram('riscv64')).toBeUndefined()
  })
})
