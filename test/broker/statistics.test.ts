import { describe, expect, test } from 'vitest';
import { countedMax, Statistics } from '../../src/broker/statistics.ts';

/** A clock that stands where it was put. */
function startAt(time: Date): { statistics: Statistics; clock: { timeMs: number } } {
  const clock = { timeMs: time.getTime() };
  return { statistics: new Statistics({ now: () => clock.timeMs }), clock };
}

const noon = new Date(2026, 4, 10, 12, 0, 0, 999);

describe('the totals', () => {
  test('grow by what went in and out', () => {
    const { statistics } = startAt(noon);
    statistics.put('T', 3);
    statistics.put('U', 1);
    statistics.got('g', 'T', 2);
    statistics.got('g', 'T', 0);
    expect(statistics.putTotals()).toEqual({ now: 4, todayMorning: 0, yesterdayMorning: 0 });
    expect(statistics.gotTotals()).toEqual({ now: 2, todayMorning: 0, yesterdayMorning: 0 });
  });

  test('leave out the topics of the system', () => {
    const { statistics } = startAt(noon);
    statistics.put('RMQ_SYS_TRACE_TOPIC', 3);
    statistics.got('g', 'RMQ_SYS_TRACE_TOPIC', 3);
    expect([statistics.putTotals().now, statistics.gotTotals().now]).toEqual([0, 0]);
    expect(statistics.putTo('RMQ_SYS_TRACE_TOPIC')?.day.count).toBe(3);
  });

  test('are kept at each midnight, also at one that nobody was there to see', () => {
    const { statistics, clock } = startAt(noon);
    statistics.put('T', 5);
    clock.timeMs = new Date(2026, 4, 10, 23, 59, 59, 999).getTime();
    expect(statistics.putTotals()).toEqual({ now: 5, todayMorning: 0, yesterdayMorning: 0 });
    clock.timeMs += 1;
    statistics.put('T', 2);
    expect(statistics.putTotals()).toEqual({ now: 7, todayMorning: 5, yesterdayMorning: 0 });
    clock.timeMs = new Date(2026, 4, 12, 8).getTime();
    expect(statistics.putTotals()).toEqual({ now: 7, todayMorning: 7, yesterdayMorning: 5 });
    clock.timeMs = new Date(2026, 4, 20).getTime();
    expect(statistics.putTotals()).toEqual({ now: 7, todayMorning: 7, yesterdayMorning: 7 });
  });
});

test('means are of the last 10, 60 and 600 seconds', () => {
  const { statistics, clock } = startAt(noon);
  clock.timeMs = new Date(2026, 4, 10, 12, 9, 4, 999).getTime();
  statistics.put('T', 540);
  statistics.got('g', 'T', 60);
  statistics.got('g', 'T', 0);
  clock.timeMs = new Date(2026, 4, 10, 12, 9, 59, 999).getTime();
  statistics.put('T', 60);
  expect(statistics.putPerSecond()).toEqual([6, 10, 1]);
  expect(statistics.gotPerSecond()).toEqual([0, 1, 0.1]);
  expect(statistics.requestsPerSecond()).toEqual({ found: [0, 1 / 60, 1 / 600], missed: [0, 1 / 60, 1 / 600] });
});

describe('a topic and a group', () => {
  test('have counters of their own', () => {
    const { statistics, clock } = startAt(noon);
    clock.timeMs = new Date(2026, 4, 10, 12, 59, 59, 999).getTime();
    statistics.put('T', 60);
    statistics.got('g', 'T', 120);
    statistics.got('h', 'T', 1);
    const times = (count: number) => ({
      minute: { count, perSecond: count / 60 },
      hour: { count, perSecond: count / 3_600 },
      day: { count, perSecond: count / 86_400 },
    });
    clock.timeMs = new Date(2026, 4, 10, 23, 59, 59, 999).getTime();
    expect(statistics.putTo('T')?.hour.count).toBe(0);
    expect(statistics.putTo('T')?.day.count).toBe(60);
    clock.timeMs = new Date(2026, 4, 10, 12, 59, 59, 999).getTime();
    expect(statistics.putTo('T')?.minute).toEqual(times(60).minute);
    expect(statistics.gotFrom('T', 'g')?.hour).toEqual(times(120).hour);
    expect(statistics.putToBroker().minute.count).toBe(60);
    expect(statistics.gotFromBroker().minute.count).toBe(121);
    expect(statistics.putTo('U')).toBeUndefined();
    expect(statistics.gotFrom('T', 'x')).toBeUndefined();
  });

  test('are forgotten when there are too many, those counted first before others', () => {
    const { statistics } = startAt(noon);
    for (let index = 0; index < countedMax; index += 1) statistics.put(`t${index}`, 1);
    expect(statistics.putTo('t0')?.day.count).toBe(1);
    statistics.put('t0', 1);
    statistics.put('one-more', 1);
    expect(statistics.putTo('t0')).toBeUndefined();
    expect(statistics.putTo('t1')?.day.count).toBe(1);
    expect(statistics.putTo('one-more')?.day.count).toBe(1);
    expect(statistics.putTotals().now).toBe(countedMax + 2);
  });
});
