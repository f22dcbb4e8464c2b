import { storedHostBytes } from '../../remoting/stored-host.ts';
import { storedMessageAt } from '../../remoting/stored-message.ts';
import { SysFlag } from '../../remoting/sys-flag.ts';

/** A copy of a record whose message was delivered `count` times before; what it was sent back before counts as well. */
export function redeliveredRecord(record: Buffer, count: number): Buffer {
  const copy = Buffer.from(record);
  const sysFlag = copy.readInt32BE(storedMessageAt.sysFlag);
  const storeTimestamp = storedMessageAt.bornHost + storedHostBytes((sysFlag & SysFlag.BORN_HOST_V6) !== 0);
  const at = storeTimestamp + 8 + storedHostBytes((sysFlag & SysFlag.STORE_HOST_V6) !== 0);
  copy.writeInt32BE((copy.readInt32BE(at) + count) | 0, at);
  return copy;
}
