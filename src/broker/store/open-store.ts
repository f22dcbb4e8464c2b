import { mkdirSync } from 'node:fs';
import { DiskFiles } from './disk-files.ts';
import { lockDirectory } from './lock-file.ts';
import type { LogFiles } from './log-files.ts';
import { LogStore } from './log-store.ts';
import { MemoryFiles } from './memory-files.ts';
import { type MessageStore, StoreError } from './message-store.ts';
import { recover } from './recovery.ts';
import { Segments } from './segments.ts';
import { type CompleteStoreOptions, completeStoreOptions, type StoreOptions } from './store-options.ts';

/**
 * Opens a store and reads its log. What is damaged in it is logged and not served; it never keeps the store from opening.
 * @throws StoreError `io` when another process has the directory, it cannot be read or written, or a later version wrote it.
 * @throws RangeError or RemotingError on options that cannot be.
 */
export async function openMessageStore(options: StoreOptions): Promise<MessageStore> {
  const complete = completeStoreOptions(options);
  const { directory } = complete;
  if (directory === undefined) return openLogStore(complete, new MemoryFiles(), () => {});
  try {
    return await openDirectory(directory, complete);
  } catch (error) {
    if (error instanceof StoreError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new StoreError('io', `${directory} cannot be opened (${reason}): look at its rights and its disk`, error);
  }
}

async function openDirectory(directory: string, options: CompleteStoreOptions): Promise<MessageStore> {
  mkdirSync(directory, { recursive: true });
  const unlock = lockDirectory(directory);
  try {
    return await openLogStore(options, new DiskFiles(directory, options.log), unlock);
  } catch (error) {
    unlock();
    throw error;
  }
}

/** The same over files that are handed in. @param unlock Called when the store is closed. */
export async function openLogStore(options: StoreOptions, files: LogFiles, unlock: () => void): Promise<MessageStore> {
  const complete = completeStoreOptions(options);
  const segments = new Segments(files, complete.log);
  const store = new LogStore(segments, complete, unlock);
  try {
    await recover(files, segments, complete.log, (segment, cursor) => store.recovered(segment, cursor));
  } catch (error) {
    segments.close();
    throw error;
  }
  store.start();
  return store;
}
