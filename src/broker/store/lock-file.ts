import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { StoreError } from './message-store.ts';

/** What the system says of a process, from its state on; undefined where it says nothing. */
function statOf(pid: number): readonly string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name before, in brackets, may hold anything.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined;
  }
}

/** What tells a process from all others: its id, and where the system says it, the boot and the time of its start. */
function identityOf(pid: number): string {
  const startTicks = statOf(pid)?.[19];
  if (startTicks === undefined) return `${pid}`;
  try {
    return `${pid} ${startTicks} ${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()}`;
  } catch {
    return `${pid}`;
  }
}

function isAlive(identity: string): boolean {
  const pid = Number(identity.split(' ')[0]);
  if (!Number.isSafeInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    // Not ours to signal, but there.
    if (codeOf(error) !== 'EPERM') return false;
  }
  // One that has ended keeps its id until its parent asks, which in some containers nobody does.
  return identityOf(pid) === identity && statOf(pid)?.[0] !== 'Z';
}

/**
 * Takes the directory of a store for this process, through a file `lock` in it; that of a process that is gone is taken over.
 * @returns Gives it back.
 * @throws StoreError `io` when another process, or another store of this one, has it.
 */
export function lockDirectory(directory: string): () => void {
  const path = join(directory, 'lock');
  const identity = identityOf(process.pid);
  if (!create(path, identity)) {
    const holder = readFileSync(path, 'utf8');
    if (isAlive(holder)) throw inUse(directory, holder);
    takeAway(path, directory, holder);
    if (!create(path, identity)) throw inUse(directory, 'another process');
  }
  return () => rmSync(path, { force: true });
}

/** Makes the lock file with its text in one step, so that nobody reads half of it; false where there is one. */
function create(path: string, identity: string): boolean {
  const made = `${path}.${process.pid}`;
  writeFileSync(made, identity);
  try {
    linkSync(made, path);
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    // Some file systems have no second names.
    return createDirectly(path, identity);
  } finally {
    rmSync(made, { force: true });
  }
}

function createDirectly(path: string, identity: string): boolean {
  try {
    writeFileSync(path, identity, { flag: 'wx' });
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

/** Removes a lock file, but not the one of a process that was faster. */
function takeAway(path: string, directory: string, holder: string): void {
  const aside = `${path}.${process.pid}`;
  renameSync(path, aside);
  const found = readFileSync(aside, 'utf8');
  if (found === holder) {
    rmSync(aside);
    return;
  }
  renameSync(aside, path);
  throw inUse(directory, found);
}

function inUse(directory: string, holder: string): StoreError {
  const pid = holder.split(' ')[0];
  return new StoreError('io', `${directory} is in use by process ${pid}; stop it, or give another data directory`);
}
