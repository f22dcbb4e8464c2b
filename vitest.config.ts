import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/rocketmq/**'],
          env: { ROCKETMQ_TARGET: 'embedded' },
        },
      },
      {
        test: {
          name: 'rocketmq',
          include: ['test/rocketmq/**/*.test.ts', 'test/behaviour/**/*.test.ts'],
          env: { ROCKETMQ_TARGET: 'apache' },
          // Each file starts JVMs of its own: one file at a time on two cores.
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 180_000,
        },
      },
    ],
  },
});
