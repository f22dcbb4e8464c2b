import { Code, type ConnectError } from '@connectrpc/connect';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PartialFailureError } from '../../../src/client/admin/admin-results.ts';
import { ClientError, type ClientErrorKind } from '../../../src/client/errors.ts';
import { ErrorInfoSchema, RetryInfoSchema } from '../../../src/gen/google/rpc/error_details_pb.ts';
import { PolicyError } from '../../../src/proxy/access/endpoint-policy.ts';
import { failure, invalid, type Reason, toFailure } from '../../../src/proxy/rpc/failures.ts';
import { RemotingError, type RemotingErrorKind, ResponseError } from '../../../src/remoting/errors.ts';
import { ResponseCode } from '../../../src/remoting/response-code.ts';

/** What brokers say that no client of ours may hear. */
const canary =
  'CODE: 1 DESC: java.lang.NullPointerException at org.apache.rocketmq.X.run(X.java:7) 10.1.2.3:10911 AccessKey=topsecret';
const canaryWords = /java|rocketmq\.X|10\.1\.2\.3|topsecret/;

/** Code and reason, as programs read them. */
function outcome(error: unknown, timedOut?: boolean): [string | undefined, string | undefined] {
  const told = toFailure(error, timedOut);
  return [Code[told.code], reasonOf(told)];
}

/** The reason in the details as they travel. */
function reasonOf(error: ConnectError): string | undefined {
  const [info] = error.findDetails(ErrorInfoSchema);
  expect(info?.domain).toBe('rocketmq-grpc-proxy');
  return info?.reason;
}

/** Everything of an error that travels to a client. */
function whatTravels(error: ConnectError): string {
  const infos = error.findDetails(ErrorInfoSchema).map(({ reason, domain, metadata }) => [reason, domain, metadata]);
  const retries = error.findDetails(RetryInfoSchema).map(({ retryDelay }) => String(retryDelay?.seconds));
  expect(error.details).toHaveLength(infos.length + retries.length);
  return JSON.stringify([error.rawMessage, [...error.metadata], infos, retries]);
}

const remoting = (kind: RemotingErrorKind) => new RemotingError(kind, canary, { address: '10.1.2.3:10911' });
const response = (code: number) => new ResponseError(code, canary, '10.1.2.3:10911');

const remotingOutcomes: Record<RemotingErrorKind, [string, Reason]> = {
  connect: ['Unavailable', 'BROKER_UNREACHABLE'],
  closed: ['Unavailable', 'BROKER_UNREACHABLE'],
  timeout: ['DeadlineExceeded', 'DEADLINE'],
  cancelled: ['Canceled', 'CANCELLED'],
  overloaded: ['ResourceExhausted', 'OVERLOADED'],
  malformed: ['Internal', 'BROKER_FAILED'],
};

const clientOutcomes: Record<ClientErrorKind, [string, Reason]> = {
  noRoute: ['NotFound', 'TOPIC_NOT_FOUND'],
  noBroker: ['Unavailable', 'BROKER_UNREACHABLE'],
  notStored: ['Unavailable', 'NOT_STORED'],
  outcomeUnknown: ['Unavailable', 'OUTCOME_UNKNOWN'],
  unauthenticated: ['Unauthenticated', 'CREDENTIALS_REFUSED'],
  denied: ['PermissionDenied', 'BROKER_REFUSED'],
  unsupported: ['FailedPrecondition', 'NOT_SUPPORTED'],
  invalid: ['InvalidArgument', 'INVALID_REQUEST'],
  expired: ['FailedPrecondition', 'RECEIPT_EXPIRED'],
  closed: ['Unavailable', 'SHUTTING_DOWN'],
};

const responseOutcomes: [number, [string, Reason]][] = [
  [ResponseCode.SYSTEM_ERROR, ['Internal', 'BROKER_FAILED']],
  [ResponseCode.SYSTEM_BUSY, ['ResourceExhausted', 'BROKER_BUSY']],
  [ResponseCode.FLOW_CONTROL, ['ResourceExhausted', 'BROKER_BUSY']],
  [ResponseCode.POLLING_FULL, ['ResourceExhausted', 'BROKER_BUSY']],
  [ResponseCode.MESSAGE_ILLEGAL, ['InvalidArgument', 'BROKER_REFUSED']],
  [ResponseCode.INVALID_PARAMETER, ['InvalidArgument', 'BROKER_REFUSED']],
  [ResponseCode.NO_MESSAGE, ['InvalidArgument', 'BROKER_REFUSED']],
  [ResponseCode.NO_PERMISSION, ['PermissionDenied', 'BROKER_REFUSED']],
  [ResponseCode.TOPIC_NOT_EXIST, ['NotFound', 'TOPIC_NOT_FOUND']],
  [ResponseCode.SUBSCRIPTION_GROUP_NOT_EXIST, ['NotFound', 'GROUP_NOT_FOUND']],
  [ResponseCode.SERVICE_NOT_AVAILABLE, ['Unavailable', 'BROKER_UNREACHABLE']],
  [ResponseCode.NOT_LEADER_FOR_QUEUE, ['Unavailable', 'BROKER_UNREACHABLE']],
  [ResponseCode.GO_AWAY, ['Unavailable', 'BROKER_UNREACHABLE']],
  [-1, ['Internal', 'BROKER_FAILED']],
  [12_345, ['Internal', 'BROKER_FAILED']],
];

describe('what a caller is told', () => {
  it.each(Object.entries(remotingOutcomes) as [RemotingErrorKind, [string, Reason]][])(
    'of a connection error %s',
    (kind, expected) => {
      expect(outcome(remoting(kind))).toEqual(expected);
      expect(whatTravels(toFailure(remoting(kind)))).not.toMatch(canaryWords);
    },
  );

  it.each(responseOutcomes)('of response code %s', (code, expected) => {
    expect(outcome(response(code))).toEqual(expected);
    expect(whatTravels(toFailure(response(code)))).not.toMatch(canaryWords);
  });

  it('of a response code that has no sentence of its own: the number', () => {
    expect(toFailure(response(12_345)).rawMessage).toBe('the broker failed on the request (response code 12345)');
  });

  it.each(Object.entries(clientOutcomes) as [ClientErrorKind, [string, Reason]][])(
    'of a client error %s: its text, and nothing of its cause',
    (kind, expected) => {
      const error = new ClientError(kind, 'the text', response(1));
      expect(outcome(error)).toEqual(expected);
      expect(toFailure(error).rawMessage).toBe('the text');
      expect(whatTravels(toFailure(error))).not.toMatch(canaryWords);
    },
  );

  it('of a send that was not stored: whether the brokers were busy', () => {
    const busy = new ClientError('notStored', 'x', response(ResponseCode.SYSTEM_BUSY));
    expect(outcome(busy)).toEqual(['ResourceExhausted', 'NOT_STORED']);
    expect(outcome(new ClientError('notStored', 'x', remoting('connect')))).toEqual(['Unavailable', 'NOT_STORED']);
  });

  it('of a send whose outcome is unknown: whether the deadline passed', () => {
    const late = new ClientError('outcomeUnknown', 'x', remoting('timeout'));
    expect(outcome(late)).toEqual(['DeadlineExceeded', 'OUTCOME_UNKNOWN']);
    const gone = new ClientError('outcomeUnknown', 'x', remoting('cancelled'));
    expect(outcome(gone)).toEqual(['Unavailable', 'OUTCOME_UNKNOWN']);
    expect(outcome(gone, true)).toEqual(['DeadlineExceeded', 'OUTCOME_UNKNOWN']);
  });

  it('of what several brokers were asked: how the first failed that did, without its name', () => {
    const failures = new Map<string, Error>([
      ['canary-broker', response(ResponseCode.SYSTEM_BUSY)],
      ['b', remoting('connect')],
    ]);
    const error = new PartialFailureError('asking', failures, ['c']);
    expect(outcome(error)).toEqual(outcome(response(ResponseCode.SYSTEM_BUSY)));
    expect(whatTravels(toFailure(error))).not.toMatch(canaryWords);
    const cancelled = new PartialFailureError('asking', new Map([['b', remoting('cancelled')]]), []);
    expect(outcome(cancelled, true)).toEqual(['DeadlineExceeded', 'DEADLINE']);
  });

  it('of a call that was cancelled: that its deadline passed, where that is why', () => {
    expect(outcome(remoting('cancelled'), true)).toEqual(['DeadlineExceeded', 'DEADLINE']);
    expect(outcome(remoting('connect'), true)).toEqual(['Unavailable', 'BROKER_UNREACHABLE']);
  });

  it.each<[PolicyError, [string, Reason]]>([
    [new PolicyError('refused', 'not allowed here'), ['PermissionDenied', 'ENDPOINT_NOT_ALLOWED']],
    [new PolicyError('malformed', 'no endpoint'), ['InvalidArgument', 'INVALID_REQUEST']],
  ])('of an endpoint: %s', (error, expected) => {
    expect(outcome(error)).toEqual(expected);
    expect(toFailure(error).rawMessage).toBe(error.message);
  });

  it.each<[string, unknown]>([
    ['a TypeError', new TypeError(canary)],
    ['an error with everything', Object.assign(new Error(canary), { metadata: { canary }, details: [canary] })],
    ['a text', canary],
    ['nothing', undefined],
    ['null', null],
  ])('of what nobody foresaw, such as %s: nothing', (_, error) => {
    const told = toFailure(error);
    expect(outcome(error)).toEqual(['Internal', 'INTERNAL']);
    expect(told.rawMessage).toBe('internal error');
    expect(whatTravels(told)).not.toMatch(canaryWords);
    expect(told.cause).toBe(error);
  });

  it('is left as it is where it was said before', () => {
    const error = invalid('x');
    expect(toFailure(error)).toBe(error);
  });
});

describe('a failure', () => {
  it('says when to try again where that may help, and nowhere else', () => {
    const retryable = [Code.ResourceExhausted, Code.Unavailable];
    const codes = Object.values(Code).filter((code): code is Code => typeof code === 'number');
    for (const code of codes) {
      const [info] = failure(code, 'INTERNAL', 'x').findDetails(RetryInfoSchema);
      expect(info?.retryDelay?.seconds).toBe(retryable.includes(code) ? 1n : undefined);
    }
  });

  it('keeps its cause for the log', () => {
    const cause = new Error('cause');
    expect(invalid('x', cause).cause).toBe(cause);
    expect(reasonOf(invalid('x', cause))).toBe('INVALID_REQUEST');
  });

  it('has a short text that can be written into a header, however long the reason', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 500, maxLength: 530 }), (text) => {
        const { rawMessage } = invalid(text);
        expect(rawMessage.length).toBeLessThanOrEqual(512);
        expect(() => encodeURIComponent(rawMessage)).not.toThrow();
        expect(text.startsWith(rawMessage.replace(/…$/, ''))).toBe(true);
        expect(rawMessage === text).toBe(text.length <= 512);
      }),
    );
    expect(invalid(`${'x'.repeat(510)}😀😀`).rawMessage).toBe(`${'x'.repeat(510)}…`);
    expect(invalid('x'.repeat(5_000_000)).rawMessage).toHaveLength(512);
  });
});
