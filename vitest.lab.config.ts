import { defineConfig } from 'vitest/config'

/** Lab tests: real engines in containers, one file at a time. They need root and what test/bootstrap.sh brings. */
export default defineConfig({
  test: {
    include: ['test/**/*.lab.ts'],
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 300_000,
    teardownTimeout: 60_000,
    pool: 'forks',
  },
})
