import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { startGuard } from '../rocketmq/guard.ts';

const nearAddress = '10.99.0.1';
const farAddress = '10.99.0.2';

/**
 * Makes both networks in a user namespace of its own, so that nothing of this machine changes, then does what each line says. A network is gone with
 * the last process in it; the shell ends when its input does. `rp_filter` keeps out what comes from where no route leads.
 */
const script = `
ip link set lo up
unshare -n sleep infinity & far=$!
until [ "$(readlink /proc/$far/ns/net)" != "$(readlink /proc/$$/ns/net)" ]; do sleep 0.02; done
in_far() { nsenter -t $far -n "$@"; }
ip link add near type veth peer name far netns $far
ip addr add ${nearAddress}/30 dev near
ip link set near up
in_far ip link set lo up
in_far ip addr add ${farAddress}/30 dev far
in_far ip link set far up
in_far sh -c 'echo 1 > /proc/sys/net/ipv4/conf/all/rp_filter'
echo "$far"
while read -r what; do in_far ip route "$what" blackhole ${nearAddress}/32; echo done; done
kill -9 $far
`;

/** Whether this machine lets its users make networks. */
export function canSeparateNetworks(): boolean {
  return spawnSync('unshare', ['-Urn', 'ip', 'link', 'add', 'one', 'type', 'veth']).status === 0;
}

/** Two networks of the kernel with one cable between them, which can swallow everything and tell nobody. */
export class SeparateNetworks {
  /** Address of the far network. */
  readonly farAddress = farAddress;
  /** For sockets by which networks are reached from this process's. */
  readonly directory = mkdtempSync(join(tmpdir(), 'networks-'));
  readonly #shell: ChildProcess;
  readonly #output: AsyncIterator<string>;
  readonly #children: ChildProcess[] = [];
  readonly #guard = startGuard(this.directory);
  #farPid = '';

  private constructor() {
    this.#shell = spawn('unshare', ['-Urn', 'sh', '-ec', script], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#output = linesOf(this.#shell);
    this.#watch(this.#shell);
  }

  static async start(): Promise<SeparateNetworks> {
    const networks = new SeparateNetworks();
    networks.#farPid = (await networks.#output.next()).value;
    return networks;
  }

  /** What a command begins with that is to run in the near network. */
  get nearCommand(): readonly string[] {
    return this.#command(String(this.#shell.pid));
  }

  /** Everything between the networks vanishes, and connections are neither made nor ended. */
  async swallow(): Promise<void> {
    await this.#tell('add');
  }

  async heal(): Promise<void> {
    await this.#tell('del');
  }

  /** Passes connections on, each place a `host:port` or the path of a socket. @param network where the first is, and the second is looked for. */
  async relay(network: 'here' | 'near' | 'far', [from, to]: readonly [string, string]): Promise<void> {
    const command = { here: [], near: this.nearCommand, far: this.#command(this.#farPid) }[network];
    const program = fileURLToPath(new URL('relay-program.mjs', import.meta.url));
    const [executable = '', ...parameters] = [...command, process.execPath, program, from, to];
    const child = spawn(executable, parameters, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#watch(child);
    await linesOf(child).next();
  }

  async stop(): Promise<void> {
    for (const child of this.#children.toReversed()) {
      const ended = once(child, 'exit');
      if (child === this.#shell) child.stdin?.end();
      else child.kill('SIGKILL');
      await ended;
    }
    rmSync(this.directory, { recursive: true, force: true });
    this.#guard.release();
  }

  #command(pid: string): readonly string[] {
    return ['nsenter', '--preserve-credentials', '-U', '-n', '-t', pid];
  }

  #watch(child: ChildProcess): void {
    this.#children.push(child);
    this.#guard.watch(this.#children);
  }

  async #tell(what: 'add' | 'del'): Promise<void> {
    this.#shell.stdin?.write(`${what}\n`);
    await this.#output.next();
  }
}

function linesOf({ stdout }: ChildProcess): AsyncIterator<string> {
  if (stdout === null) throw new Error('the output of the process must be piped');
  return createInterface({ input: stdout })[Symbol.asyncIterator]();
}

/** The states of the connections of a process's network to this port (`/proc/PID/net/tcp`): 1 is made, 2 is being made. */
export function connectionStates(pid: number, port: number): readonly number[] {
  const hexPort = port.toString(16).toUpperCase().padStart(4, '0');
  const rows = readFileSync(`/proc/${pid}/net/tcp`, 'latin1').split('\n').slice(1, -1);
  return rows.flatMap((row) => {
    const [, , remote = '', state = ''] = row.trim().split(/\s+/);
    return remote.endsWith(`:${hexPort}`) ? [Number.parseInt(state, 16)] : [];
  });
}
