/** Imports run one way; the folders are the architecture. @see docs/ARCHITECTURE.md */
const only = (name, from, allowed) => ({
  name,
  severity: 'error',
  from: { path: from },
  to: { path: '^(src|cli)/', pathNot: [from, ...allowed] },
})
const noNpm = (name, from, allowed) => ({
  name,
  severity: 'error',
  from: { path: from },
  to: { dependencyTypes: ['npm', 'npm-dev', 'npm-optional', 'npm-peer', 'core'], pathNot: allowed },
})

module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    only('wire-is-a-leaf', '^src/wire/', []),
    only('core-knows-only-wire', '^src/core/', ['^src/wire/']),
    noNpm('core-is-pure', '^src/core/', []),
    only('ports-know-core', '^src/ports/', ['^src/core/', '^src/wire/']),
    only('services-know-ports', '^src/services/', ['^src/core/', '^src/wire/', '^src/ports/']),
    only('roles-know-ports', '^src/roles/', ['^src/core/', '^src/wire/', '^src/ports/']),
    only('bridge-knows-roles', '^src/bridge/', ['^src/core/', '^src/ports/', '^src/roles/']),
    only('node-knows-all-but-cli', '^src/node/', ['^src/']),
    only('cli-knows-the-door', '^cli/', ['^src/(index|core|node|bridge|services/network/node-20)']),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: 'generated/google' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'types', 'default'], extensions: ['.ts', '.js'] },
  },
}
