/** A real browser: Debian's Chromium, driven by playwright-core, which brings none of its own. */
import { spawnSync } from 'node:child_process';
import { type Browser, chromium } from 'playwright-core';

const commands = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

/** Longest that it may take to start; a busy machine needs seconds. */
const startTimeoutMs = 60_000;

/** The command that starts one; undefined where there is none. */
function findChromium(): string | undefined {
  const { stdout } = spawnSync('sh', ['-c', commands.map((command) => `command -v ${command}`).join(' || ')], {
    encoding: 'utf8',
  });
  const path = stdout?.trim() ?? '';
  return path === '' ? undefined : path;
}

const missing = 'Chromium is missing: install it (Debian: apt-get install chromium) and put `chromium` on the PATH.';

/**
 * For `describe.skipIf(skipChromium())`: true, with a line on stderr, where there is no Chromium.
 * @throws Error instead when `CI=true`, so that a build server cannot go green without a browser.
 */
export function skipChromium(): boolean {
  if (findChromium() !== undefined) return false;
  if (process.env['CI'] === 'true') throw new Error(`CI=true, so tests in a real browser must run. ${missing}`);
  process.stderr.write(`Skipped: tests in a real browser. ${missing}\n`);
  return true;
}

/** Starts it without a window; it ends with `close`, and with this process however that ends, since it listens at a pipe of ours. */
export function startChromium(): Promise<Browser> {
  const executablePath = findChromium();
  if (executablePath === undefined) throw new Error(missing);
  return chromium.launch({
    executablePath,
    timeout: startTimeoutMs,
    // Its sandbox does not work for root, and /dev/shm is small in containers. Only pages of the tests are opened.
    args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'],
  });
}
