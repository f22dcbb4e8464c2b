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
          env: { ROCKETMQ_TARGET: 'embedded' },
          // Tests that may run side by side mostly wait.
          maxConcurrency: 12,
        },
      },
      {
        test: {
          name: 'rocketmq',
          include: ['test/rocketmq/**/*.test.ts', 'test/behaviour/**/*.test.ts'],
          env: { ROCKETMQ_TARGET: 'apache' },
          // Each file starts JVMs of its own: one file at a time on two cores.
          fileParallelism: false,
          // And one test at a time: a cold JVM that does much at once keeps no time that tests could hold it to.
          maxConcurrency: 1,
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
