import { join } from 'node:path';
import { checkoutDirectory } from '../test/rocketmq/java.ts';
import { compileGo, skipGo } from '../test/rocketmq/official/build.ts';

/** What loads a proxy, and the Go proxy to compare with where there is Go. */
export interface Peers {
  /** The program of `peers/grpc`; undefined without Go. */
  readonly go: string | undefined;
  /** Loads a proxy through a gRPC client: grpc-go, or without Go grpc-js. Arguments: see `peers/grpc/load.go`. */
  readonly load: readonly string[];
}

export async function findPeers(): Promise<Peers> {
  if (skipGo()) return { go: undefined, load: [process.execPath, 'build/bench/peers/grpc-js.js'] };
  const go = await compileGo(join(checkoutDirectory(), 'bench', 'peers', 'grpc'));
  return { go, load: [go] };
}
