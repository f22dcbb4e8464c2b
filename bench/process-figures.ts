/** What the operating system says of a process. */
import { readFileSync, writeFileSync } from 'node:fs';

/** Linux counts so towards programs on every machine that Node runs on, however often it ticks (`USER_HZ`). */
const ticksPerSecond = 100;

/** CPU time so far, of user and system, in µs. */
export function cpuMicros(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return ((Number(fields[11]) + Number(fields[12])) * 1e6) / ticksPerSecond;
}

/** Resident memory, in bytes. */
export function residentBytes(pid: number): number {
  return statusBytes(pid, 'VmRSS');
}

/** Most memory that it has had resident, in bytes, since its start or since {@link forgetPeak}. */
export function peakBytes(pid: number): number {
  return statusBytes(pid, 'VmHWM');
}

/** Counts its peak of memory anew. */
export function forgetPeak(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, '5');
}

function statusBytes(pid: number, name: string): number {
  const [, kilobytes = '0'] =
    new RegExp(`${name}:\\s+(\\d+) kB`).exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kilobytes) * 1_024;
}
