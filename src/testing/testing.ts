/** What `rocketmq-grpc-proxy/testing` offers: a RocketMQ for the tests of other projects. */
export type { Clock } from '../broker/clock.ts';
export { RequestCode } from '../remoting/request-code.ts';
export { ResponseCode } from '../remoting/response-code.ts';
export { type Fault, type FaultRule, Faults } from './faults.ts';
export { startTestBroker, type TestBroker, type TestBrokerOptions, type TestMessage } from './test-broker.ts';
export { VirtualClock } from './virtual-clock.ts';
