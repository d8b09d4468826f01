import { endianness } from 'node:os'

/** Syscall numbers of one machine kind. */
interface Abi {
  /** AUDIT_ARCH_*: what the kernel says the call was made by. */
  readonly audit: number
  readonly clone: number
  readonly clone3: number
  readonly socket: number
  readonly ioctl: number
  readonly denied: readonly number[]
  /** Numbers from here on belong to another ABI (x32). */
  readonly foreignFrom?: number
}

/** Same numbers on every machine: io_uring, the new mount calls, pidfd_getfd, memfd_secret and their kin. */
const DENIED_EVERYWHERE = [
  425, 426, 427, 428, 429, 430, 431, 432, 433, 438, 440, 442, 443, 447, 450, 457, 458,
]

/**
 * In order: keys (add, request, ctl) · ptrace, process_vm_{read,write}v, kcmp · mount, umount2, pivot_root,
 * chroot · bpf, perf_event_open, userfaultfd · kexec_{,file_}load, {,f,de}init_module · unshare, setns ·
 * {name_to,open_by}_handle_at, fanotify_init · swap, reboot, clocks, accounting, quota, names, log ·
 * NUMA moves · memfd_create, shmget, semget, msgget (memory that no process is charged for) · odd old ones.
 */
const ABIS: Readonly<Record<string, Abi>> = {
  x64: {
    audit: 0xc000003e,
    clone: 56,
    clone3: 435,
    socket: 41,
    ioctl: 16,
    foreignFrom: 0x40000000,
    denied: [
      248, 249, 250, 101, 310, 311, 312, 165, 166, 155, 161, 321, 298, 323, 246, 320, 175, 313, 176, 272, 308,
      303, 304, 300, 167, 168, 169, 164, 227, 305, 159, 163, 179, 180, 170, 171, 103, 237, 238, 256, 279, 319,
      29, 64, 68, 134, 135, 136, 139, 153, 154, 156, 172, 173, 174, 177, 178, 212, 236,
    ],
  },
  arm64: {
    audit: 0xc00000b7,
    clone: 220,
    clone3: 435,
    socket: 198,
    ioctl: 29,
    denied: [
      217, 218, 219, 117, 270, 271, 272, 40, 39, 41, 51, 280, 241, 282, 104, 294, 105, 273, 106, 97, 268, 264,
      265, 262, 224, 225, 142, 170, 112, 266, 171, 89, 60, 42, 161, 162, 116, 235, 237, 238, 239, 279, 194,
      190, 186, 92, 58, 18,
    ],
  },
}

const LOAD = 0x20
const EQUAL = 0x15
const AT_LEAST = 0x35
const ANY_BIT = 0x45
const RETURN = 0x06
const ALLOW = 0x7fff0000
const KILL_PROCESS = 0x80000000
const EPERM = 0x00050000 | 1
const ENOSYS = 0x00050000 | 38
/** Offsets in struct seccomp_data; arguments are 64 bit, low half first. */
const NUMBER = 0
const ARCH = 4
const ARG0 = 16
const ARG1 = 24
/** CLONE_NEW{NS,CGROUP,UTS,IPC,USER,PID,NET}. */
const NEW_NAMESPACE = 0x7e020000
/** AF_UNIX, AF_INET, AF_INET6, AF_NETLINK. AF_VSOCK above all must stay out: no namespace holds it back. */
const FAMILIES = [1, 2, 10, 16]
/** TIOCSTI and TIOCLINUX push keys into a terminal. */
const TERMINAL_PUSH = [0x5412, 0x541c]

type Instruction = readonly [code: number, ifTrue: number, ifFalse: number, k: number]

/**
 * The filter that bubblewrap loads before a program starts: dangerous calls get EPERM, a call of another
 * machine kind kills. A second wall behind the namespaces, so a list of what is denied is enough.
 *
 * @returns struct sock_filter[] as bytes; undefined for a machine kind we have no numbers for
 */
export function seccompProgram(arch: string = process.arch): Uint8Array | undefined {
  const abi = ABIS[arch]
  if (abi === undefined || endianness() !== 'LE') return undefined
  return encode([
    [LOAD, 0, 0, ARCH],
    [EQUAL, 1, 0, abi.audit],
    [RETURN, 0, 0, KILL_PROCESS],
    [LOAD, 0, 0, NUMBER],
    ...foreign(abi),
    // glibc then falls back to clone, whose flags can be read here; those of clone3 stand in memory.
    ...whenEqual(abi.clone3, [[RETURN, 0, 0, ENOSYS]]),
    ...whenEqual(abi.clone, [
      [LOAD, 0, 0, ARG0],
      [ANY_BIT, 0, 1, NEW_NAMESPACE],
      [RETURN, 0, 0, EPERM],
      [RETURN, 0, 0, ALLOW],
    ]),
    ...whenEqual(abi.socket, [
      [LOAD, 0, 0, ARG0],
      ...FAMILIES.flatMap((family) => whenEqual(family, [[RETURN, 0, 0, ALLOW]])),
      [RETURN, 0, 0, EPERM],
    ]),
    ...whenEqual(abi.ioctl, [
      [LOAD, 0, 0, ARG1],
      ...TERMINAL_PUSH.flatMap((request) => whenEqual(request, [[RETURN, 0, 0, EPERM]])),
      [RETURN, 0, 0, ALLOW],
    ]),
    ...[...abi.denied, ...DENIED_EVERYWHERE].flatMap((call) => whenEqual(call, [[RETURN, 0, 0, EPERM]])),
    [RETURN, 0, 0, ALLOW],
  ])
}

function foreign(abi: Abi): Instruction[] {
  if (abi.foreignFrom === undefined) return []
  return [
    [AT_LEAST, 0, 1, abi.foreignFrom],
    [RETURN, 0, 0, KILL_PROCESS],
  ]
}

function whenEqual(value: number, then: readonly Instruction[]): Instruction[] {
  return [[EQUAL, 0, then.length, value], ...then]
}

function encode(program: readonly Instruction[]): Uint8Array {
  const bytes = Buffer.alloc(program.length * 8)
  program.forEach(([code, ifTrue, ifFalse, k], at) => {
    bytes.writeUInt16LE(code, at * 8)
    bytes.writeUInt8(ifTrue, at * 8 + 2)
    bytes.writeUInt8(ifFalse, at * 8 + 3)
    bytes.writeUInt32LE(k, at * 8 + 4)
  })
  return bytes
}
