import type { MessageQueue } from '../../remoting/message.ts';
import type { AllocationStrategy } from './allocation.ts';

/**
 * Shares only queues of brokers in these machine rooms, which are named before the `@` of a broker's name: consecutive ones, then the
 * rest in turn (Java `AllocateMessageQueueByMachineRoom`). Other queues go to nobody.
 */
export function machineRoomAllocation(machineRooms: readonly string[]): AllocationStrategy {
  const rooms = new Set(machineRooms);
  return {
    name: 'MACHINE_ROOM',
    allocate({ clientId, clientIds, queues }) {
      const index = clientIds.indexOf(clientId);
      if (index < 0) return [];
      const own = queues.filter(({ brokerName }) => {
        // Java's split leaves out empty parts at the end.
        const [room = '', ...rest] = brokerName.replace(/@+$/, '').split('@');
        return rest.length === 1 && rooms.has(room);
      });
      const share = Math.floor(own.length / clientIds.length);
      const extra = own[share * clientIds.length + index];
      const shared = own.slice(share * index, share * (index + 1));
      return extra === undefined ? shared : [...shared, extra];
    },
  };
}

/** Says where things are, the same at every member; nothing may be nowhere. */
export interface MachineRooms {
  roomOfQueue(queue: MessageQueue): string;
  roomOfClient(clientId: string): string;
}

/**
 * Queues go to members in their own machine room; those of rooms without members go to all (Java `AllocateMachineRoomNearby`).
 * @param strategy shares out the queues of one room among those who get them.
 * @throws Error from `allocate` when a queue or a member is in no room.
 */
export function machineRoomNearbyAllocation(strategy: AllocationStrategy, rooms: MachineRooms): AllocationStrategy {
  return {
    name: `MACHINE_ROOM_NEARBY-${strategy.name}`,
    allocate(request) {
      const { clientId, clientIds, queues } = request;
      if (!clientIds.includes(clientId)) return [];
      const members = byRoom(clientIds, (id) => rooms.roomOfClient(id));
      const ownRoom = rooms.roomOfClient(clientId);
      const shares = [...byRoom(queues, (queue) => rooms.roomOfQueue(queue))].map(([room, ofRoom]) => {
        const nearby = members.get(room);
        if (nearby !== undefined && room !== ownRoom) return [];
        return strategy.allocate({ ...request, queues: ofRoom, clientIds: nearby ?? clientIds });
      });
      return shares.flat();
    },
  };
}

function byRoom<T>(things: readonly T[], roomOf: (thing: T) => string): ReadonlyMap<string, readonly T[]> {
  const rooms = new Map<string, T[]>();
  for (const thing of things) {
    const room = roomOf(thing);
    if (room === '') throw new Error(`${JSON.stringify(thing)} is in no machine room: the resolver must name one`);
    const others = rooms.get(room);
    if (others === undefined) rooms.set(room, [thing]);
    else others.push(thing);
  }
  return rooms;
}
