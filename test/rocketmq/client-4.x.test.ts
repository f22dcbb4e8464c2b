import { describeClient } from '../behaviour/client/describe-client.ts';

describeClient({ version: '4.9.7', accessControl: false });
