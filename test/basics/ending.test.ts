import { expect, it } from 'vitest';
import { Ending, ended } from '../../src/basics/ending.ts';

it('tells each listener once, but those that were taken back', () => {
  const end = new Ending();
  const told: string[] = [];
  const gone = (): void => void told.push('gone');
  end.addEventListener('abort', () => told.push('first'));
  end.addEventListener('abort', gone);
  end.addEventListener('abort', () => told.push('last'));
  end.removeEventListener('abort', gone);
  end.removeEventListener('abort', () => {});
  expect([end.aborted, told]).toEqual([false, []]);
  end.abort();
  end.abort();
  expect([end.aborted, told]).toEqual([true, ['first', 'last']]);
});

it('is ended already for a listener that is told of it', () => {
  const end = new Ending();
  const seen: boolean[] = [];
  end.addEventListener('abort', () => {
    seen.push(end.aborted);
    end.removeEventListener('abort', () => {});
  });
  end.abort();
  expect(seen).toEqual([true]);
});

it('tells none that another has taken back meanwhile, nor one that comes late', () => {
  const end = new Ending();
  const told: string[] = [];
  const gone = (): void => void told.push('gone');
  for (let count = 0; count < 10; count += 1) end.addEventListener('abort', () => told.push(`${count}`));
  end.addEventListener('abort', () => {
    end.removeEventListener('abort', gone);
    end.addEventListener('abort', () => told.push('late'));
  });
  end.addEventListener('abort', gone);
  end.abort();
  end.addEventListener('abort', () => told.push('late'));
  expect(told).toEqual(Array.from({ length: 10 }, (_, count) => `${count}`));
});

it.each([
  ['an Ending', () => new Ending()],
  [
    'an AbortSignal',
    () => {
      const controller = new AbortController();
      return Object.assign(controller.signal, { abort: () => controller.abort() });
    },
  ],
])('%s can be waited for, before and after it has come', async (_, make) => {
  const end = make();
  const waiting = ended(end);
  end.abort();
  await waiting;
  await ended(end);
});
