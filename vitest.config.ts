import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config'

/** Files of one kind, and what is different about running them. */
function project(
  name: string,
  include: readonly string[],
  more: TestProjectInlineConfiguration['test'],
): TestProjectInlineConfiguration {
  const setupFiles = ['src/services/network/node-20.ts']
  const times = { testTimeout: 30_000, hookTimeout: 60_000 }
  return { test: { name, include: [...include], setupFiles, pool: 'forks', ...times, ...more } }
}

/** They compute all the time: as many at once as there are cores. */
const computing = { maxWorkers: 2, sequence: { groupOrder: 0 } }

/** `isolate: false`: a process runs many files, and loads what they share once; they leave nothing behind in it. */
export default defineConfig({
  test: {
    projects: [
      project('pure', ['test/unit/{core,wire}/**/*.test.ts'], { ...computing, isolate: false }),
      project(
        'parts',
        ['test/unit/!(core|wire)/**/*.test.ts', 'test/{contract,integration,simulation}/**/*.test.ts'],
        computing,
      ),
      project('processes', ['test/e2e/**/*.test.ts'], {
        isolate: false,
        // What they start waits, for each other and for time to pass, more than it computes.
        maxWorkers: 3,
        sequence: { groupOrder: 1 },
        testTimeout: 120_000,
        hookTimeout: 180_000,
      }),
    ],
  },
})
