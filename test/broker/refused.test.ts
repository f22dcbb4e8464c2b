import { expect, it } from 'vitest';
import { invalid, RequestRefused } from '../../src/broker/refused.ts';
import { ResponseCode } from '../../src/remoting/response-code.ts';

it('a refusal has the code and the text of its answer', () => {
  expect(new RequestRefused(ResponseCode.TOPIC_NOT_EXIST, 'no such topic')).toMatchObject({
    name: 'RequestRefused',
    code: 17,
    message: 'no such topic',
  });
  expect(invalid('never')).toMatchObject({ code: ResponseCode.INVALID_PARAMETER, message: 'never' });
  expect(invalid('never')).toBeInstanceOf(Error);
});
