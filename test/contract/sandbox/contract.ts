import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { isRefusal } from '../../../src/core/refusal.js'
import type { Sandbox, SandboxKind } from '../../../src/ports/sandbox.js'
import { detectSandbox } from '../../../src/services/sandbox/create-sandbox.js'
import { memoryLog } from '../../helpers/memory-log.js'
import { createRoom, jobOf, noneWith, type Program, type Room, refusalOf, reportOf } from './bench-room.js'
import { ORDINARY } from './ordinary.js'

/** What every sandbox promises; the same programs on each. */
export function sandboxContract(
  kind: SandboxKind,
  more?: (sandbox: () => Sandbox, room: () => Room) => void,
) {
  describe(`the ${kind} sandbox`, () => {
    let room: Room
    let sandbox: Sandbox
    let own: readonly string[]

    beforeAll(async () => {
      room = createRoom()
      const found = await detectSandbox({
        log: memoryLog(),
        prefer: kind,
        cacheFolder: `${room.folder}/cache`,
      })
      if (isRefusal(found)) throw new Error(found.detail)
      sandbox = found
      own = room.leftovers()
    }, 180_000)
    afterEach(() => {
      expect(room.leftovers(), 'temporary folders').toEqual(own)
    })
    afterAll(async () => {
      await sandbox?.close()
      expect(room.leftovers(), 'after close').toEqual([])
      room.remove()
    })

    it('runs all three languages', () => {
      expect(sandbox.kind).toBe(kind)
      expect(sandbox.languages).toEqual(['javascript', 'typescript', 'python'])
    })

    describe('runs ordinary programs', () => {
      it.each(ORDINARY)('$name', async ({ program, verdict, exitCode, stdout }) => {
        const report = await reportOf(sandbox, program)
        expect(report, report.stdout + report.stderr).toMatchObject({ verdict, exitCode, sandbox: kind })
        if (stdout !== undefined) expect(report.stdout).toBe(stdout)
        expect(report.truncated).toBe(false)
      })
    })

    describe('refuses', () => {
      it.each([
        ['an absolute name', { '/tmp/a.js': '' }, 'bad-file-name'],
        ['a way out', { 'a/../../b.js': '' }, 'bad-file-name'],
        ['two names that differ in case', { 'a.js': '', 'A.js': '' }, 'bad-file-name'],
        [
          'too many files',
          Object.fromEntries(Array.from({ length: 1025 }, (_, i) => [`f${i}`, ''])),
          'too-many-files',
        ],
        ['a file that is too large', { 'a.js': new Uint8Array(4 * 1024 * 1024 + 1) }, 'payload-too-large'],
      ] as const)('%s', async (_, files, code) => {
        expect((await refusalOf(sandbox, { command: ['node', 'a.js'], files })).code).toBe(code)
      })

      it.each([
        [['bash', '-c', 'true']],
        [['node', '-e', '1']],
        [['node', '/etc/passwd']],
        [['node', '../a.js']],
        [['node', '--require', './a.js', 'b.js']],
        [['node', '--test']],
        [['python3', 'a.py']],
        [[]],
      ])('the command %j', async (command) => {
        const refused = await refusalOf(sandbox, { command, files: { 'a.js': '' } })
        expect(refused.code).toBe('command-unsupported')
        expect(refused.next ?? '').toContain('python3 -m unittest')
      })

      it('an impossible limit', async () => {
        const program = { command: ['node', 'a.js'], files: { 'a.js': '' }, limits: { memoryMib: 0 } }
        expect((await refusalOf(sandbox, program)).code).toBe('out-of-bounds')
      })
    })

    describe('holds', () => {
      /** Runs it with a word in its command line by which anything it leaves can be found. */
      async function attempt(program: Program) {
        const marker = `escape-${randomUUID()}`
        const report = await reportOf(sandbox, { ...program, command: [...program.command, marker] })
        await noneWith(marker)
        expect(report.stdout + report.stderr).not.toContain(room.secret)
        return report
      }
      const js = (source: string, more: Partial<Program> = {}) =>
        attempt({ command: ['node', 'a.js'], files: { 'a.js': source }, ...more })
      const py = (source: string, more: Partial<Program> = {}) =>
        attempt({ language: 'python', command: ['python3', 'a.py'], files: { 'a.py': source }, ...more })

      it('an endless loop', async () => {
        const report = await js('for (;;);', { limits: { cpuMs: 300 } })
        expect(report).toMatchObject({ verdict: 'cpu-time', exitCode: 137 })
        expect(report.cpuMs).toBeGreaterThanOrEqual(300)
      })
      it('an endless loop in Python', async () => {
        expect((await py('while True: pass', { limits: { cpuMs: 300 } })).verdict).toBe('cpu-time')
      })
      it('a regular expression without end', async () => {
        const report = await js('/^(a+)+$/.test("a".repeat(60) + "b")', { limits: { cpuMs: 300 } })
        expect(report.verdict).toBe('cpu-time')
      })
      it('a sleep for ever', async () => {
        const report = await js('setInterval(() => {}, 1e6)', { limits: { wallMs: 400 } })
        expect(report).toMatchObject({ verdict: 'wall-time', exitCode: 137 })
      })
      it('a sleep for ever in Python', async () => {
        const report = await py('from time import sleep as rest\nprint("on", flush=True)\nrest(1e6)', {
          limits: { wallMs: 600 },
        })
        expect(report).toMatchObject({ verdict: 'wall-time', stdout: 'on\n' })
        expect(report.cpuMs).toBeLessThan(600)
      })

      it('a heap bomb', async () => {
        const report = await js('const a = []; for (;;) a.push(new Array(1e5).fill({}))', {
          limits: { memoryMib: 64 },
        })
        expect(report.verdict).toBe('memory')
      })
      it('an ArrayBuffer bomb', async () => {
        const report = await js('const a = []; for (;;) a.push(new Uint8Array(4e6).fill(7))', {
          limits: { memoryMib: 64 },
        })
        expect(report.verdict).toBe('memory')
      })
      it('one allocation that is too large', async () => {
        const report = await js('new Uint8Array(8e9).fill(1)', { limits: { memoryMib: 64 } })
        expect(['memory', 'failed', 'killed']).toContain(report.verdict)
      })
      it('a bytearray bomb', async () => {
        const report = await py('a = []\nwhile True: a.append(bytearray(b"x") * 4000000)', {
          limits: { memoryMib: 64 },
        })
        expect(report.verdict).toBe('memory')
      })

      it('a fork bomb', async () => {
        const report = await js(
          `const { spawn } = require('child_process')
           for (;;) spawn(process.execPath, [__filename, process.argv[2]], { stdio: 'ignore' })`,
        )
        expect(report.verdict).toBe(kind === 'deno' ? 'failed' : 'processes')
      })
      it('a fork bomb in Python', async () => {
        const report = await py('import os\nwhile True:\n  try: os.fork()\n  except BlockingIOError: pass')
        expect(report.verdict).toBe(kind === 'deno' ? 'failed' : 'processes')
      })
      it('a thread bomb', async () => {
        const report = await js(
          `const url = 'data:text/javascript,setInterval(()=>{},1e6)'
           const { Worker: Thread } = require('worker_threads')
           for (let i = 0; i < 1000; i++) new Thread(new URL(url)).on('error', () => {})
           setInterval(() => {}, 1e6)`,
          { limits: { wallMs: 5_000 } },
        )
        expect(['processes', 'memory', 'failed', 'killed', 'wall-time', 'cpu-time']).toContain(report.verdict)
      })

      it('a flood of output', async () => {
        const report = await js('const s = "x".repeat(1e4); for (;;) require("fs").writeSync(1, s)')
        expect(report).toMatchObject({ verdict: 'output', truncated: true, exitCode: 137 })
        expect(report.stdout.length).toBe(64 * 1024)
      })
      it('a flood on stderr', async () => {
        const report = await py('import sys\nwhile True: sys.stderr.write("x" * 10000)')
        expect(report).toMatchObject({ verdict: 'output', truncated: true })
        expect(report.stdout.length + report.stderr.length).toBe(64 * 1024)
      })

      it('reading the host, from JavaScript', async () => {
        const report = await js(READ_JS, {
          command: ['node', 'a.js', room.secretFile, process.env['HOME'] ?? '/root'],
        })
        expect(report, report.stdout + report.stderr).toMatchObject({ verdict: 'passed', stdout: '' })
      })
      it.each([
        ['JSON', 'secret.json', ' with { type: "json" }'],
        ['a module', 'secret.mjs', ''],
      ])('a literal import of %s of the host', async (_, name, attributes) => {
        for (const entry of ['a.mjs', 'a.mts']) {
          const source = `import s from ${JSON.stringify(`${room.folder}/${name}`)}${attributes}; console.log(s)`
          expect((await attempt({ command: ['node', entry], files: { [entry]: source } })).verdict).toBe(
            'failed',
          )
        }
      })
      it('a literal import by way of another file, and from a package.json', async () => {
        const target = JSON.stringify(`${room.folder}/secret.mjs`)
        const report = await js(`import './b.js'`, {
          files: {
            'a.js': `import '#b'`,
            'b.js': `import s from ${target}; console.log(s)`,
            'package.json': JSON.stringify({ type: 'module', imports: { '#b': './b.js' } }),
            'deno.json': JSON.stringify({ imports: { '#b': `${room.folder}/secret.mjs` } }),
            '.npmrc': 'registry=http://127.0.0.1:9/',
          },
        })
        expect(report.verdict).toBe('failed')
      })
      it('reading the host, from Python', async () => {
        const report = await py(READ_PY, {
          command: ['python3', 'a.py', room.secretFile, process.env['HOME'] ?? '/root'],
        })
        expect(report, report.stdout + report.stderr).toMatchObject({ verdict: 'passed', stdout: '' })
      })
      it('the environment of the host', async () => {
        const report = await js(
          `console.log(JSON.stringify(process.env))
           for (const id of ['self', '1', '2', process.ppid])
             try { console.log(require('fs').readFileSync('/proc/' + id + '/environ', 'latin1')) } catch {}`,
        )
        expect(report.stdout).not.toContain('EDGECODER_TEST_SECRET')
        const python = await py('import os\nprint(dict(os.environ))')
        expect(python.stdout).not.toContain('EDGECODER_TEST_SECRET')
      })

      it('the network, to loopback and out', async () => {
        const seen: string[] = []
        const server = createServer((socket) => {
          seen.push('connection')
          socket.destroy()
        })
        await once(server.listen(0, '127.0.0.1'), 'listening')
        const address = server.address()
        const port = String(typeof address === 'object' ? address?.port : '')
        const report = await js(NET_JS, { command: ['node', 'a.js', port] })
        expect(report, report.stdout + report.stderr).toMatchObject({ verdict: 'passed', stdout: '' })
        const python = await py(NET_PY, { command: ['python3', 'a.py', port] })
        expect(python, python.stdout + python.stderr).toMatchObject({ verdict: 'passed', stdout: '' })
        expect(seen).toEqual([])
        server.close()
      })

      it('writing outside its folder', async () => {
        const report = await js(WRITE_JS, { command: ['node', 'a.js', room.folder] })
        expect(report, report.stdout + report.stderr).toMatchObject({ verdict: 'passed', stdout: '' })
        expect(readFileSync(room.secretFile, 'utf8')).toContain(room.secret)
      })
      it('filling the disk', async () => {
        const report = await js(
          `const fs = require('fs'); const block = Buffer.alloc(1e6, 1)
           for (let i = 0; i < 2000; i++) fs.writeFileSync('f' + i, block)`,
          { limits: { memoryMib: 256 } },
        )
        expect(['failed', 'killed', 'memory']).toContain(report.verdict)
      })
      it('folders nested past the longest path', async () => {
        const report = await js(
          `const fs = require('fs'); const part = 'd'.repeat(200)
           for (let i = 0; i < 40; i++) { fs.mkdirSync(part + '/' + part + '/' + part, { recursive: true })
             fs.mkdirSync('next'); fs.renameSync(part, 'next/' + part); fs.renameSync('next', part) }`,
        )
        expect(['passed', 'failed', 'killed']).toContain(report.verdict)
      })
      it('one huge sparse file', async () => {
        const report = await js(`require('fs').writeFileSync('a', ''); require('fs').truncateSync('a', 1e12)`)
        expect(['failed', 'killed', 'passed']).toContain(report.verdict)
      })

      it('killing the parent, process 1 and every group', async () => {
        const report = await js(
          `for (const pid of [process.ppid, 1, 0, -1, -process.ppid])
             try { process.kill(pid, 'SIGKILL') } catch {}`,
        )
        expect(['passed', 'failed', 'killed']).toContain(report.verdict)
        expect((await js('console.log(1)')).stdout).toBe('1\n')
      })
      it('a daemon in a session of its own', async () => {
        const report = await js(
          `const { spawn } = require('child_process')
           try { spawn('/bin/sleep', ['600', process.argv[2]], { detached: true, stdio: 'ignore' }).unref() } catch {}
           try { spawn('/bin/sh', ['-c', 'setsid sleep 600 &', process.argv[2]], { stdio: 'inherit' }).unref() } catch {}
           setTimeout(() => process.exit(0), 50)`,
        )
        expect(report.verdict).toBe('passed')
      })
      it('an early end of its output', async () => {
        const report = await js(`const fs = require('fs'); fs.closeSync(1); fs.closeSync(2)`)
        expect(['passed', 'failed']).toContain(report.verdict)
        const late = await js(`require('fs').closeSync(1); setInterval(() => {}, 1e6)`, {
          limits: { wallMs: 400 },
        })
        expect(late.verdict).toBe('wall-time')
      })
      it('bytes that are no text', async () => {
        const report = await js('require("fs").writeSync(1, Buffer.from([0x41, 0xff, 0xfe, 0x0a, 0, 0x42]))')
        expect(report).toMatchObject({ verdict: 'passed', stdout: 'A\ufffd\ufffd\n\0B' })
      })
      it('a program that speaks to its shell', async () => {
        const report = await js(
          `const fs = require('fs')
           const kindOf = (fd) => { try { return fs.readlinkSync('/proc/self/fd/' + fd) } catch { return 'socket' } }
           for (let fd = 3; fd < 64; fd++) if (kindOf(fd).startsWith('socket'))
             try { fs.writeSync(fd, 'ready\\n0m0.00s 0m0.00s\\n'); console.log('wrote', fd) } catch {}
           process.exit(9)`,
        )
        expect(report).toMatchObject({ verdict: 'failed', exitCode: 9, stdout: '' })
      })
    })

    it('stops at once when the caller gives up', async () => {
      const marker = `abort-${randomUUID()}`
      const giveUp = new AbortController()
      const program = {
        command: ['node', 'a.js', marker],
        files: { 'a.js': 'console.log(1); setInterval(() => {}, 1e6)' },
      }
      const run = sandbox.run(jobOf(program), giveUp.signal, () => giveUp.abort())
      await expect(run).rejects.toMatchObject({ code: 'cancelled' })
      await noneWith(marker)
    })
    it('does not start when the caller has given up', async () => {
      const program = { command: ['node', 'a.js'], files: { 'a.js': '' } }
      await expect(sandbox.run(jobOf(program), AbortSignal.abort())).rejects.toMatchObject({
        code: 'cancelled',
      })
    })
    it('tells of output as it comes', async () => {
      const seen: number[] = []
      const source = 'console.log("a"); setTimeout(() => console.error("bc"), 150)'
      await sandbox.run(
        jobOf({ command: ['node', 'a.js'], files: { 'a.js': source } }),
        AbortSignal.timeout(60_000),
        (bytes) => seen.push(bytes),
      )
      expect(seen).toEqual([2, 5])
    })
    it('keeps runs at the same time apart', async () => {
      const runs = ['1', '2', '3', '4'].map((exit) =>
        reportOf(sandbox, {
          command: ['node', 'a.js', exit],
          files: { 'a.js': 'process.exit(+process.argv[2])' },
        }),
      )
      expect((await Promise.all(runs)).map((report) => report.exitCode)).toEqual([1, 2, 3, 4])
    })

    more?.(
      () => sandbox,
      () => room,
    )
  })
}

/** Tries every way to a file of the host; prints the ways that worked. */
const READ_JS = `
const fs = require('fs'), { createRequire, registerHooks } = require('module')
const [, , secret, home] = process.argv
const tries = {
  passwd: () => fs.readFileSync('/etc/passwd'),
  secret: () => fs.readFileSync(secret),
  home: () => fs.readdirSync(home),
  up: () => fs.readFileSync('../../../../../..' + secret),
  root: () => fs.readFileSync('/proc/1/root' + secret),
  parent: () => fs.readFileSync('/proc/' + process.ppid + '/root' + secret),
  cwd: () => fs.readFileSync('/proc/' + process.ppid + '/cwd' + secret),
  link: () => { fs.symlinkSync(secret, 'link'); return fs.readFileSync('link') },
  hard: () => { fs.linkSync(secret, 'hard'); return fs.readFileSync('hard') },
  move: () => { fs.renameSync(secret, 'moved'); return fs.readFileSync('moved') },
  require: () => require(secret),
  created: () => createRequire('/')(secret),
  deno: () => Deno.readTextFileSync(secret),
  denoRun: () => new Deno.Command('/bin/cat', { args: [secret] }).outputSync(),
  hooks: () => { registerHooks({ load: (url, context, next) => next('file://' + secret, { ...context, format: 'json' }) }); return require('./x.json') },
  binding: () => process.binding('fs').readFileUtf8(secret, 0),
  grant: () => { Deno.permissions.requestSync({ name: 'read' }); return Deno.readTextFileSync(secret) },
  exec: () => require('child_process').execFileSync('/bin/cat', [secret]),
}
for (const [name, read] of Object.entries(tries)) try { read(); console.log('LEAK', name) } catch {}
Promise.allSettled([
  import('file://' + secret), import(secret, { with: { type: 'json' } }),
  fetch('file://' + secret).then((r) => r.ok ? r.text() : Promise.reject(r.status)),
  new Promise((resolve, reject) => {
    const code = 'try { require("fs").readFileSync(' + JSON.stringify(secret) + '); require("worker_threads").parentPort.postMessage("leak") } catch { process.exit(1) }'
    const thread = new (require('worker_threads').Worker)(code, { eval: true })
    thread.on('message', resolve); thread.on('error', reject); thread.on('exit', reject)
  }),
]).then((all) => all.forEach((one, i) => one.status === 'fulfilled' && console.log('LEAK', i)))
`

const READ_PY = `
import os, sys, subprocess
secret, home = sys.argv[1:3]
def leak(name, read):
    try:
        read()
    except BaseException:
        return
    print("LEAK", name)
def link():
    os.symlink(secret, "link")
    return open("link").read()
def by_js():
    import js
    return js.Deno.readTextFileSync(secret)
def by_module():
    import js
    return js.process.getBuiltinModule("fs").readFileSync(secret)
def by_eval():
    import js
    return js.eval("Deno.readTextFileSync")(secret)
def by_code():
    from pyodide.code import run_js
    return run_js("Deno.readFileSync")("/etc/passwd")
def by_mount():
    from pyodide.code import run_js
    import js
    import pyodide_js
    pyodide_js.mountNodeFS("/host", "/etc")
    return open("/host/passwd").read()
leak("secret", lambda: open(secret).read())
leak("host passwd", lambda: open("/etc/passwd").read().index("root:"))
leak("home", lambda: os.listdir(home)[0] if home.startswith("/root") else open(home + "/.profile"))
leak("up", lambda: open("../../../../../.." + secret).read())
leak("root", lambda: open("/proc/1/root" + secret).read())
leak("link", link)
leak("cat", lambda: subprocess.run(["/bin/cat", secret], check=True))
leak("js", by_js)
leak("module", by_module)
leak("eval", by_eval)
leak("code", by_code)
leak("mount", by_mount)
`

/** Tries every way to the network; prints the ways that worked. */
const NET_JS = `
const net = require('net'), dgram = require('dgram'), dns = require('dns')
const port = +process.argv[2]
const dial = (port, host) => new Promise((resolve, reject) => {
  const socket = net.connect(port, host); socket.on('connect', resolve); socket.on('error', reject)
})
const tries = {
  loopback: () => dial(port, '127.0.0.1'), name: () => dial(port, 'localhost'), out: () => dial(80, '1.1.1.1'),
  fetch: () => fetch('http://127.0.0.1:' + port),
  socket: () => new Promise((resolve, reject) => { const w = new WebSocket('ws://127.0.0.1:' + port); w.onopen = resolve; w.onerror = reject }),
  deno: () => Deno.connect({ port }),
  code: () => import('http://127.0.0.1:' + port + '/a.js'),
  resolve: () => new Promise((resolve, reject) => dns.resolve4('example.com', (e) => e ? reject(e) : resolve())),
  unix: () => dial('/run/dbus/system_bus_socket'),
}
Promise.all(Object.entries(tries).map(async ([name, go]) => {
  try { await go(); console.log('OUT', name) } catch {}
})).then(() => process.exit(0))
setTimeout(() => process.exit(0), 3000)
`

const NET_PY = `
import socket, sys
for host, port in [("127.0.0.1", int(sys.argv[1])), ("1.1.1.1", 80)]:
    try:
        socket.create_connection((host, port), timeout=1)
        print("OUT", host)
    except BaseException:
        pass
try:
    import js
    request = js.XMLHttpRequest.new()
    request.open("GET", "http://127.0.0.1:" + sys.argv[1], False)
    request.send()
    print("OUT xhr")
except BaseException:
    pass
`

/** Tries to write wherever it might; prints the ways that worked. */
const WRITE_JS = `
const fs = require('fs'), path = require('path')
const host = process.argv[2]
const tries = {
  etc: () => fs.writeFileSync('/etc/edgecoder-test', 'x'), usr: () => fs.writeFileSync('/usr/bin/edgecoder-test', 'x'),
  root: () => fs.mkdirSync('/edgecoder-test'), secret: () => fs.writeFileSync(host + '/secret.json', 'x'),
  host: () => fs.writeFileSync(host + '/written', 'x'), chmod: () => fs.chmodSync('/usr/bin/env', 0o777),
  submitted: () => fs.writeFileSync('/run/submitted/a.js', 'x'), inside: () => fs.writeFileSync('/run/edgecoder/a', 'x'),
  dev: () => fs.writeFileSync('/dev/edgecoder-test', 'x'), up: () => fs.writeFileSync('../../../../../etc/x', 'x'),
  link: () => { fs.symlinkSync(host, 'out'); fs.writeFileSync('out/written', 'x') },
  sys: () => fs.writeFileSync('/proc/sys/kernel/hostname', 'x'), sysrq: () => fs.writeFileSync('/proc/sysrq-trigger', 'h'),
  memory: () => fs.writeFileSync('/proc/' + process.ppid + '/mem', 'x'),
  oom: () => fs.writeFileSync('/proc/1/oom_score_adj', '-1000'),
}
for (const [name, write] of Object.entries(tries)) try { write(); console.log('WROTE', name) } catch {}
`
