import { answerBytesMax, lookedAtCountMax, type PopPlace, type TakeParts } from './take-messages.ts';

/** The messages that the group gets next for the first time, without taking them, and how many wait in all. */
export function peekMessages(
  { group, topic, queueId }: PopPlace,
  countMax: number,
  { store, offsets, topics }: TakeParts,
): { readonly records: readonly Buffer[]; readonly restCount: number } {
  const queueCount = topics.get(topic)?.readQueueCount ?? 0;
  const records: Buffer[] = [];
  let bytes = 0;
  let restCount = 0;
  let lookedAtCount = 0;
  for (const id of queueId >= 0 ? [queueId] : Array.from({ length: queueCount }, (_, at) => at)) {
    const min = store.minOffset(topic, id);
    const max = store.maxOffset(topic, id);
    const start = Math.min(Math.max(offsets.get({ group, topic, queueId: id }) ?? min, min), max);
    restCount += max - start;
    for (let offset = start; offset < max; offset += 1) {
      if (records.length >= countMax || bytes >= answerBytesMax || lookedAtCount >= lookedAtCountMax) break;
      lookedAtCount += 1;
      const entry = store.entry(topic, id, offset);
      const record = entry === undefined ? undefined : store.read(entry.commitLogOffset);
      if (record === undefined) continue;
      records.push(record);
      bytes += record.length;
    }
  }
  return { records, restCount };
}
