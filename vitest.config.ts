import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    // Many tests wait for a time to come: two files at a time, also where there are two cores only.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/rocketmq/**', 'test/faults/**'],
          globalSetup: ['test/faults/table.ts'],
          env: { ROCKETMQ_TARGET: 'embedded' },
          // Tests that may run side by side mostly wait.
          maxConcurrency: 12,
          // Nothing here is judged by how long it takes, on a machine that may stand still for seconds.
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'rocketmq',
          include: ['test/rocketmq/**/*.test.ts', 'test/behaviour/**/*.test.ts'],
          globalSetup: ['test/faults/table.ts'],
          env: { ROCKETMQ_TARGET: 'apache' },
          // Tests that may run side by side mostly wait; a cold JVM takes no more of them at once.
          maxConcurrency: 4,
          testTimeout: 120_000,
          hookTimeout: 180_000,
        },
      },
      {
        test: {
          name: 'faults',
          include: ['test/faults/**/*.test.ts'],
          globalSetup: ['test/faults/table.ts'],
          // Figures are of one fault at a time.
          fileParallelism: false,
          maxConcurrency: 1,
          testTimeout: 150_000,
          hookTimeout: 180_000,
        },
      },
    ],
  },
});
