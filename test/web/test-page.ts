import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Browser, Page } from 'playwright-core';
import { onTestFinished, vi } from 'vitest';
import { bundleForBrowsers } from './bundle.ts';
import type { Received, Scenarios } from './page.ts';

/** Serves the page at any port of 127.0.0.1. */
export interface PageServer {
  /** Such as `http://127.0.0.1:40123`. */
  readonly origin: string;
  close(): void;
}

const html = '<!doctype html><title>test</title><script type="module" src="/page.js"></script>';

/** Starts a server of static files: the page and its script. */
export async function startPageServer(): Promise<PageServer> {
  const files = new Map([
    ['/', { type: 'text/html', content: html }],
    ['/page.js', { type: 'text/javascript', content: await bundleForBrowsers('test/web/page.ts') }],
  ]);
  const server = createServer(({ url = '' }, response) => {
    const file = files.get(url);
    response.writeHead(file === undefined ? 404 : 200, { 'content-type': file?.type ?? 'text/plain' });
    response.end(file?.content);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    origin: `http://127.0.0.1:${port}`,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** A request that the page made, as the browser's network log has it. */
export interface LoggedRequest {
  readonly method: string;
  readonly path: string;
}

type Awaitable<T> = T extends Promise<infer U> ? U : T;

/** Longest that anything awaited may take on a busy machine, in ms. */
const arrivalTimeoutMs = 120_000;

/** A page of the test, in a browser profile of its own; closed when the test ends. */
export class TestPage {
  readonly page: Page;
  /** All requests since `log`, preflights included. */
  readonly requests: LoggedRequest[] = [];
  /** The protocols that answers to calls came by since `log`, such as `h2`. */
  readonly protocols = new Set<string>();

  private constructor(page: Page) {
    this.page = page;
  }

  /** @param url of the page. */
  static async open(browser: Browser, url: string): Promise<TestPage> {
    // The certificate of tests is made by nobody that browsers know.
    const context = await browser.newContext({ ignoreHTTPSErrors: true });
    onTestFinished(() => context.close());
    const opened = new TestPage(await context.newPage());
    await opened.page.goto(url);
    return opened;
  }

  /** Writes down from now on what goes over the network; it slows floods of messages down. */
  async log(): Promise<void> {
    const log = await this.page.context().newCDPSession(this.page);
    log.on('Network.requestWillBeSent', ({ request }) => {
      this.requests.push({ method: request.method, path: new URL(request.url).pathname });
    });
    log.on('Network.responseReceived', ({ response, type }) => {
      // A browser also asks for the page's icon, whenever it likes.
      if (type === 'Fetch') this.protocols.add(response.protocol ?? '');
    });
    await log.send('Network.enable');
  }

  /** Runs a scenario in the page. @throws Error that it throws. */
  run<Name extends keyof Scenarios>(
    name: Name,
    ...args: Parameters<Scenarios[Name]>
  ): Promise<Awaitable<ReturnType<Scenarios[Name]>>> {
    return this.page.evaluate(`scenarios.${name}(...${JSON.stringify(args)})`);
  }

  /** What a receiver has received, once that is enough. */
  async received(name: string, isEnough: (received: Received) => boolean): Promise<Received> {
    return await vi.waitFor(
      async () => {
        const received = await this.run('received', name);
        if (received !== undefined && isEnough(received)) return received;
        throw new Error(`so far came ${JSON.stringify(received)}`);
      },
      { timeout: arrivalTimeoutMs, interval: 50 },
    );
  }
}
