#!/usr/bin/env node
// Makes a checkout ready: installs the packages that the lock file names where they are not there, then compiles. Says nothing when
// there is nothing to do. Two at a time wait for each other; one that was interrupted is made good by the next. Needs nothing but Node.
import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const lockPath = join(root, 'build', 'setup.lock');
const oldestNode = [20, 19];

/** A lock without a name in it belongs to a process that is just writing its own, unless it is older than this. */
const namelessLockMs = 5000;

class SetupError extends Error {}

function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major > oldestNode[0] || (major === oldestNode[0] && minor >= oldestNode[1])) return;
  throw new SetupError(`Node ${oldestNode.join('.')} or newer is needed; this is ${process.versions.node}.`);
}

function readJson(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    if (error.code === 'ENOENT' || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/**
 * Whether node_modules is what the lock file says, by npm's own record of it: npm writes that last, so an installation that was
 * interrupted has none, and one from another state of the lock file differs.
 */
function isInstalled() {
  const wanted = readJson(join(root, 'package-lock.json'))?.packages ?? {};
  const present = readJson(join(root, 'node_modules', '.package-lock.json'))?.packages;
  if (present === undefined) return false;
  const same = (path) =>
    present[path]?.version === wanted[path].version && present[path]?.integrity === wanted[path].integrity;
  const paths = Object.keys(wanted).filter((path) => path !== '');
  // Optional packages are for other platforms, or could not be had.
  const missing = paths.some((path) => !same(path) && !(wanted[path].optional === true && !(path in present)));
  return !missing && Object.keys(present).every((path) => path in wanted);
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return error.code === 'EPERM';
  }
  try {
    // One that has ended still has its number until its parent asks, which in a container may be never: state Z.
    return !/^\d+ \(.*\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return true;
  }
}

/** What the lock file says, and whether one of the processes that it names still runs; undefined when there is none. */
function readLock() {
  try {
    const text = readFileSync(lockPath, 'utf8');
    const pids = text.split('\n').map(Number).filter(Boolean);
    const isNew = Date.now() - statSync(lockPath).mtimeMs < namelessLockMs;
    return { text, isHeld: pids.length === 0 ? isNew : pids.some(isAlive) };
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}

function tryLock() {
  mkdirSync(join(root, 'build'), { recursive: true });
  try {
    writeFileSync(lockPath, `${process.pid}\n`, { flag: 'wx' });
    return true;
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  }
}

/** Takes away a lock whose owner is gone. Of several that try, the rename lets one through. */
function breakLock(text) {
  const broken = `${lockPath}.${process.pid}`;
  try {
    renameSync(lockPath, broken);
    // Somebody else was faster and this is already the next owner's.
    if (readFileSync(broken, 'utf8') !== text) renameSync(broken, lockPath);
    else rmSync(broken);
  } catch (error) {
    if (error.code !== 'ENOENT') throw error;
  }
}

async function lock() {
  let said = false;
  while (!tryLock()) {
    const found = readLock();
    if (found === undefined) continue;
    if (!found.isHeld) {
      breakLock(found.text);
      continue;
    }
    if (!said) console.error('Waiting for another setup of this checkout to end …');
    said = true;
    await sleep(100);
  }
}

function unlock() {
  rmSync(lockPath, { force: true });
}

/** Runs a command to its end; it ends with us, and the lock names it, so that it is not left behind unnoticed. */
function run(command, args, shell = false) {
  return new Promise((resolve, reject) => {
    let child;
    const end = (signal) => {
      child.kill(signal);
      child.once('exit', () => {
        unlock();
        process.kill(process.pid, signal);
      });
      for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.removeAllListeners(name);
    };
    // Before the start: a signal between the two would end only us.
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(name, end);
    child = spawn(command, args, { cwd: root, stdio: 'inherit', shell });
    writeFileSync(lockPath, `${process.pid}\n${child.pid ?? ''}\n`);
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.off(name, end);
      resolve(signal === null ? code : 1);
    });
  });
}

async function install() {
  console.error('Installing the packages of package-lock.json into node_modules (npm ci) …');
  const args = ['ci', '--ignore-scripts', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'];
  const npm = process.env.npm_execpath ?? '';
  // The npm that runs us, else the one on the PATH; Windows starts its npm.cmd only through a shell.
  const code = /^npm(-cli)?\.[cm]?js$/.test(basename(npm))
    ? await run(process.execPath, [npm, ...args])
    : await run('npm', args, process.platform === 'win32');
  if (code === 0 && isInstalled()) return;
  throw new SetupError(
    'npm ci failed, see above. It needs a package registry: check the network, and the proxy and registry settings ' +
      '(npm config get registry), then try again.',
  );
}

async function build() {
  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const code = await run(process.execPath, [compiler, '-p', join(root, 'src')]);
  if (code !== 0) throw new SetupError('The sources do not compile, see above.');
  const program = join(root, 'dist', 'server.js');
  if (existsSync(program)) chmodSync(program, 0o755);
}

try {
  checkNode();
  await lock();
  try {
    if (!isInstalled()) await install();
    await build();
  } finally {
    unlock();
  }
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
