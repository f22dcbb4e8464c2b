import fc from 'fast-check';

/** Some queues of a topic, and some members, each once, in any order. */
export const anySharing = fc.record({
  queues: fc
    .uniqueArray(fc.tuple(fc.string({ maxLength: 4, unit: 'binary' }), fc.nat(20)), {
      maxLength: 30,
      selector: ([brokerName, queueId]) => `${queueId} ${brokerName}`,
    })
    .map((pairs) => pairs.map(([brokerName, queueId]) => ({ topic: 'Topic', brokerName, queueId }))),
  clientIds: fc.uniqueArray(fc.string({ minLength: 1, maxLength: 4, unit: 'binary' }), { minLength: 1, maxLength: 12 }),
});

/** A sharing, and the same with its queues and members in another order. */
export const anyShuffledSharing = anySharing.chain((sharing) =>
  fc.record({
    sharing: fc.constant(sharing),
    shuffledQueues: fc.shuffledSubarray(sharing.queues, { minLength: sharing.queues.length }),
    shuffledIds: fc.shuffledSubarray(sharing.clientIds, { minLength: sharing.clientIds.length }),
  }),
);
