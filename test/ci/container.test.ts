import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { readOptions } from '../../src/options.ts';
import { settings } from '../../src/settings.ts';
import { buildImage, type Image, readInstructions, runInShell } from '../support/dockerfile.ts';
import { startTestEngine } from '../support/engine-client.ts';
import { ServerProcess } from '../support/server-process.ts';
import { clientOf } from '../support/started-proxy.ts';

// It compiles all sources and starts several processes.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 300_000 });

const node = process.execPath;

/** Files and folders below a folder. */
const below = (folder: string): string[] => readdirSync(folder, { recursive: true, encoding: 'utf8' }).toSorted();

/** Changes the rights of all that is in a folder, and of it. */
const chmod = (mode: string, folder: string): void => void execFileSync('chmod', ['-R', mode, folder]);

/** What stands in for `npm ci`, which needs a registry: the packages that it made here, all of them or those that run. */
function installPackages(folder: string, all: boolean): void {
  if (all) {
    symlinkSync(resolve('node_modules'), join(folder, 'node_modules'));
    return;
  }
  const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8'));
  for (const [path, { dev }] of Object.entries<{ dev?: boolean }>(packages)) {
    if (path !== '' && dev !== true) cpSync(path, join(folder, path), { recursive: true });
  }
}

describe.skipIf(process.platform === 'win32')('the container', () => {
  const instructions = readInstructions('Dockerfile');
  let folder: string;
  let image: Image;
  let app: string;
  /** The user of the image, where this process may become another and that one may run Node. */
  let identity: { readonly uid: number; readonly gid: number } | undefined;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'container-'));
    chmodSync(folder, 0o755);
    const run = (command: string, where: string): void =>
      command.startsWith('npm ci ')
        ? installPackages(where, !command.includes('--omit=dev'))
        : runInShell(command, where);
    image = buildImage(instructions, { context: '.', folder, run });
    app = join(image.root, image.workdir);
    const [uid = 0, gid = 0] = image.user.split(':').map(Number);
    const canChange = process.getuid?.() === 0 && spawnSync(node, ['-e', ''], { uid, gid }).status === 0;
    identity = canChange ? { uid, gid } : undefined;
    chmod('a-w', app);
    for (const volume of image.volumes) chmod('u+w', join(image.root, volume));
  });

  afterAll(() => {
    chmod('u+w', folder);
    rmSync(folder, { recursive: true });
  });

  /** What Docker does to start it: its command, environment and user, on any ports. */
  function start(environment: Readonly<Record<string, string>>): { server: ServerProcess; env: NodeJS.ProcessEnv } {
    const [program = '', ...parameters] = image.entrypoint;
    const ports = { GRPC_PORT: '0', METRICS_PORT: '0', PROXY_REMOTING_PORT: '0' };
    const env = { PATH: dirname(node), ...image.environment, ...ports, ...environment };
    const inRoot = parameters.map((text) => (text.startsWith('/') ? join(image.root, text) : text));
    const child = spawn(program, inRoot, { cwd: app, env, ...identity, stdio: ['ignore', 'pipe', 'pipe'] });
    const server = new ServerProcess(child);
    onTestFinished(async () => {
      child.kill('SIGKILL');
      await server.exited;
    });
    return { server, env };
  }

  /** The exit code of the HEALTHCHECK. */
  async function health(env: NodeJS.ProcessEnv, statusUrl: string): Promise<number | null> {
    const [program = '', ...parameters] = image.healthcheck;
    const { port } = new URL(statusUrl);
    // Beside us, since the engine that it asks for is in this process.
    const child = spawn(program, parameters, { env: { ...env, METRICS_PORT: port }, ...identity, stdio: 'ignore' });
    const [code] = await once(child, 'exit');
    return code;
  }

  it('holds what runs and nothing else', () => {
    expect(readdirSync(app).toSorted()).toEqual(['data', 'dist', 'node_modules', 'package.json']);
    const packages = readdirSync(join(app, 'node_modules'));
    expect(packages).toEqual(expect.arrayContaining(['@connectrpc', 'pino']));
    expect(packages).not.toContain('typescript');
    expect(packages).not.toContain('vitest');
    // It is built on one platform and runs on all.
    expect(below(app).filter((name) => name.endsWith('.node'))).toEqual([]);
  });

  it('is built of official images for any platform, and runs as a user who is not root', () => {
    const bases = instructions.filter(({ name }) => name === 'FROM').map(({ text }) => text);
    expect(bases).toEqual([
      // biome-ignore lint/suspicious/noTemplateCurlyInString: the Dockerfile's own variable
      '--platform=$BUILDPLATFORM node:${NODE_VERSION}-slim AS packages',
      // biome-ignore lint/suspicious/noTemplateCurlyInString: the Dockerfile's own variable
      '--platform=$BUILDPLATFORM node:${NODE_VERSION}-slim AS build',
      // biome-ignore lint/suspicious/noTemplateCurlyInString: the Dockerfile's own variable
      'node:${NODE_VERSION}-slim',
    ]);
    expect(image.user).toMatch(/^[1-9]\d*:[1-9]\d*$/);
    expect(image.volumes.map((volume) => join(image.root, volume))).toEqual([
      join(app, settings.dataDir.fallback ?? ''),
    ]);
  });

  it('gets from outside what .dockerignore lets in, and lets in nothing more', () => {
    const fromOutside = instructions
      .filter(({ name, text }) => name === 'COPY' && !text.includes('--from='))
      .flatMap(({ text }) => text.split(' ').slice(0, -1));
    const lines = readFileSync('.dockerignore', 'utf8')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'));
    expect(lines[0]).toBe('*');
    expect(new Set(lines.slice(1))).toEqual(new Set(fromOutside.map((path) => `!${path}`)));
  });

  it('serves the one cluster that it is told, says when it can, writes nothing but its data, and ends with SIGTERM', async () => {
    const before = below(app);
    const engine = await startTestEngine();
    const { server, env } = start({ ROCKETMQ_ENDPOINT: engine.nameServer });
    const { port, statusUrl } = await server.serves();
    await vi.waitFor(async () => expect(await health(env, statusUrl)).toBe(0), { timeout: 60_000, interval: 500 });
    const client = clientOf(port);
    const { producerId } = await client.createProducer({ topic: 'orders' });
    expect(await client.sendMessage({ producerId, messageBody: 'order 4711' })).toMatchObject({ success: true });
    await expect(client.createProducer({ endpoint: '169.254.169.254:80', topic: 'orders' })).rejects.toThrow(
      /169\.254\.169\.254:80 is not allowed here/,
    );
    server.kill('SIGTERM');
    expect(await server.exited).toEqual({ code: 0, signal: null });
    expect(server.errors).toBe('');
    expect(await health(env, statusUrl)).toBe(1);
    expect(below(app).filter((name) => !before.includes(name))).toEqual(['data/seal.key']);
  });

  it('is not healthy while no name server answers', async () => {
    const { server, env } = start({ ROCKETMQ_ENDPOINT: '127.0.0.1:1' });
    const { statusUrl } = await server.serves();
    expect(await health(env, statusUrl)).toBe(1);
  });

  it('brings an engine of its own where no cluster is named', async () => {
    const { server, env } = start({});
    const { port, statusUrl } = await server.serves();
    await vi.waitFor(async () => expect(await health(env, statusUrl)).toBe(0), { timeout: 60_000, interval: 500 });
    const client = clientOf(port);
    const { producerId } = await client.createProducer({ topic: 'orders' });
    expect(await client.sendMessage({ producerId, messageBody: 'order 4711' })).toMatchObject({ success: true });
    server.kill('SIGTERM');
    expect(await server.exited).toEqual({ code: 0, signal: null });
  });

  it('has settings that exist, as compose.yaml has', () => {
    expect(readOptions([], image.environment)).toMatchObject({ host: '0.0.0.0', allowedEndpoints: 'none' });
    const [, proxy = ''] = readFileSync('compose.yaml', 'utf8').split('\n  proxy:\n');
    const variables = [...proxy.matchAll(/^ {6}([A-Z_]+): (\S+)$/gm)].map(([, name = '', value = '']) => [name, value]);
    expect(variables).not.toEqual([]);
    const known = Object.values(settings).map(({ env }): string => env);
    for (const name of [...variables.map(([variable]) => variable), ...Object.keys(image.environment)])
      expect(known).toContain(name);
    for (const volume of image.volumes) expect(proxy).toContain(`:${volume}\n`);
  });
});
