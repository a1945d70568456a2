import { defineConfig } from 'vitest/config'

/** Unit tests: pure, no root, no Docker, no multicast. The lab's tests have a configuration of their own. */
export default defineConfig({
  test: {
    include: ['{placement,gossip,migrate,daemon,ui}/**/*.test.ts', 'test/*.test.ts', 'test/{sim,demo,lab}/**/*.test.ts'],
    testTimeout: 30_000,
    pool: 'threads',
    // No module keeps state (test/architecture.test.ts), so files may share a worker: libp2p, fastify and the schemas load once, not 66 times.
    isolate: false,
  },
})
