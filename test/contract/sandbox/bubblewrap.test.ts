import { expect, it } from 'vitest'
import { reportOf } from './bench-room.js'
import { sandboxContract } from './contract.js'

sandboxContract('bubblewrap', (sandbox) => {
  it('gives no privileges and has its filter in force', async () => {
    const source = `import re
status = open("/proc/self/status").read()
print(*[re.search(name + r":\\s+(\\S+)", status).group(1) for name in ("Seccomp", "NoNewPrivs", "CapEff", "CapBnd")])`
    const report = await reportOf(sandbox(), {
      language: 'python',
      command: ['python3', 'a.py'],
      files: { 'a.py': source },
    })
    expect(report.stdout).toBe('2 1 0000000000000000 0000000000000000\n')
  })

  it('answers EPERM to calls that have no business here, and lets the others through', async () => {
    const source = `import ctypes, os, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
calls = {"x86_64": (250, 101, 165, 272, 321, 425, 298, 304, 56), "aarch64": (219, 117, 40, 97, 280, 425, 241, 265, 220)}
names = "keyctl ptrace mount unshare bpf io_uring_setup perf_event_open open_by_handle_at clone".split()
for name, number in zip(names, calls[os.uname().machine]):
    ctypes.set_errno(0)
    first = 0x10000000 | 17 if name in ("clone", "unshare") else 0
    result = libc.syscall(number, first, 0, 0, 0, 0)
    print(name, result, ctypes.get_errno())
for family in (40, 38, 17):
    try:
        socket.socket(family, socket.SOCK_STREAM)
        print("socket", family)
    except PermissionError:
        pass
print(os.getpid() > 0, os.getuid())`
    const report = await reportOf(sandbox(), {
      language: 'python',
      command: ['python3', 'a.py'],
      files: { 'a.py': source },
    })
    const names = 'keyctl ptrace mount unshare bpf io_uring_setup perf_event_open open_by_handle_at clone'
    const denied = names.split(' ').map((name) => `${name} -1 1\n`)
    expect(report.stdout, report.stderr).toBe(`${denied.join('')}True 65534\n`)
  })

  it('shows the host neither by name nor by its processes', async () => {
    const report = await reportOf(sandbox(), {
      command: ['node', 'a.js'],
      files: {
        'a.js': `const fs = require('fs')
          console.log(require('os').hostname(), fs.readdirSync('/proc').filter((name) => +name).length < 10)
          console.log(fs.readdirSync('/').sort().join(' ').replace(/ ?lib\\w*/g, ''), fs.readdirSync('/etc').join())`,
      },
    })
    expect(report.stdout).toBe('sandbox true\nbin dev etc proc run sbin tmp usr ld.so.cache\n')
  })
})
