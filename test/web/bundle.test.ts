import { gzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { bundleForBrowsers } from './bundle.ts';

it('is a bundle of less than 40 kB, minified and compressed, with everything that it needs', {
  timeout: 60_000,
}, async () => {
  const code = await bundleForBrowsers('src/web/web.ts');
  const { length } = gzipSync(code, { level: 9 });
  process.stdout.write(`rocketmq-grpc-proxy/web: ${code.length} bytes, ${length} compressed\n`);
  expect(length).toBeLessThan(40_000);
});
