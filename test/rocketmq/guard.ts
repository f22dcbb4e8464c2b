import { type ChildProcess, spawn } from 'node:child_process';

/** Sees to it that child processes and a temporary folder do not outlive this process. */
export interface Guard {
  /** Names the processes to end if this one dies; replaces the earlier list. */
  watch(children: readonly ChildProcess[]): void;
  /** Ends the guard. Whoever calls this has ended the processes and removed the folder already. */
  release(): void;
}

/**
 * A shell that reads our pipe: whatever way this process ends, SIGKILL included, the pipe closes, and the shell then kills the
 * processes of the last line it was told and removes the folder. Exit hooks of Node do not run on a signal. It ignores the
 * signals that a terminal sends to all of its processes, since it has to be the last one to leave.
 */
const script = `
trap '' INT TERM HUP
pids=
while read -r line; do pids=$line; done
[ -n "$pids" ] && kill -9 $pids
[ -n "$1" ] && { rm -rf "$1" || { sleep 1; rm -rf "$1"; }; }
`;

/** @param directory folder to remove if this process dies; none when absent. */
export function startGuard(directory?: string): Guard {
  const shell = spawn('sh', ['-c', script, 'guard', directory ?? ''], { stdio: ['pipe', 'ignore', 'ignore'] });
  shell.on('error', () => {});
  shell.stdin.on('error', () => {});
  return {
    watch: (children) => void shell.stdin.write(`${children.map((child) => child.pid ?? '').join(' ')}\n`),
    release: () => void shell.kill('SIGKILL'),
  };
}
