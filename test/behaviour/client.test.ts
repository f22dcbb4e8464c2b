import { describeClient } from './client/describe-client.ts';

describeClient({ version: '5.5.0', accessControl: false });
