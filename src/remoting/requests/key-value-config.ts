import { defineRequest } from '../fields.ts';
import { RequestCode } from '../request-code.ts';

const entry = { namespace: { kind: 'string' }, key: { kind: 'string' } } as const;

/** Asks a name server for one of its settings, as for the queues of an order topic (Java `GetKVConfigRequestHeader`). QUERY_NOT_FOUND: none. */
export const getKeyValueConfig = defineRequest({
  code: RequestCode.GET_KV_CONFIG,
  name: 'GET_KV_CONFIG',
  request: entry,
  reply: { value: { kind: 'string', optional: true } },
});

/** Deletes one of them (Java `DeleteKVConfigRequestHeader`): tools do so for each topic that they delete. */
export const deleteKeyValueConfig = defineRequest({
  code: RequestCode.DELETE_KV_CONFIG,
  name: 'DELETE_KV_CONFIG',
  request: entry,
  reply: {},
});

/** Asks for all settings of a namespace (Java `GetKVListByNamespaceRequestHeader`). QUERY_NOT_FOUND: none. */
export const getKeyValueList = defineRequest({
  code: RequestCode.GET_KVLIST_BY_NAMESPACE,
  name: 'GET_KVLIST_BY_NAMESPACE',
  request: { namespace: { kind: 'string' } },
  reply: {},
});
