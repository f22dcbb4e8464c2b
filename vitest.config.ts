import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSequencer, type TestSpecification, type Vitest } from 'vitest/node';

/** Files that take longest, so that none of them is left when the others are done; Vitest alone goes by their size. */
const longFiles =
  /(official-clients|behaviour\/client(-access-control)?|client-4\.x(-access-control)?|mixed-groups|proxy-sending|proxy-redelivery|proxy-sessions|behaviour\/sdk|client-admin|test\/server|browser|engine-crash)\.test\.ts$/;

class LongestFirst implements TestSequencer {
  readonly #bySize: BaseSequencer;

  constructor(vitest: Vitest) {
    this.#bySize = new BaseSequencer(vitest);
  }

  shard(files: TestSpecification[]) {
    return this.#bySize.shard(files);
  }

  async sort(files: TestSpecification[]) {
    const sorted = await this.#bySize.sort(files);
    const isLong = ({ moduleId }: TestSpecification): boolean => longFiles.test(moduleId);
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))];
  }
}

export default defineConfig({
  test: {
    // Tests mostly wait, for a time to come or for a JVM: more files at a time than there are cores.
    maxWorkers: availableParallelism() + 1,
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        test: {
          name: 'unit',
          // Files leave nothing behind, and a process that serves many of them loads the sources once.
          isolate: false,
          include: ['test/**/*.test.ts'],
          exclude: ['test/rocketmq/**', 'test/conformance/**', 'test/faults/**'],
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
          // What callers see of their connection must not depend on who serves HTTP/2.
          name: 'http2',
          isolate: false,
          include: [
            'test/proxy/{port/cors,receive/receive,rpc/connect,send/publish}.test.ts',
            'test/flow/{all-rpcs,bad-input,sizes,streams}.test.ts',
          ],
          globalSetup: ['test/faults/table.ts'],
          env: { ROCKETMQ_TARGET: 'embedded', TEST_HTTP2_ENGINE: 'node' },
          maxConcurrency: 12,
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'rocketmq',
          include: ['test/{rocketmq,conformance,behaviour}/**/*.test.ts'],
          globalSetup: ['test/faults/table.ts', 'test/rocketmq/fetched.ts'],
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
