/** Which client of a group may read a queue in order. */
export class QueueLocks {}
