import { expect, it } from 'vitest';
import { CallEnd } from '../../src/grpc/call-end.ts';

it('tells each listener once, but those that were taken back', () => {
  const end = new CallEnd();
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
  const end = new CallEnd();
  const seen: boolean[] = [];
  end.addEventListener('abort', () => {
    seen.push(end.aborted);
    end.removeEventListener('abort', () => {});
  });
  end.abort();
  expect(seen).toEqual([true]);
});
