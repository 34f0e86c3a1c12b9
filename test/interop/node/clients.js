// The vendor's Node clients in their modes, all behind one way of asking.
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const PopCore = require('@alicloud/pop-core');
const core = require('@alicloud/openapi-core');
const openapi = require('@alicloud/openapi-client');
const tea = require('@alicloud/tea-util');
const dara = require('@darabonba/typescript');

// layouts: a method and where an action's parameters go.
const getQuery = { method: 'GET', place: 'query' };
const postQuery = { method: 'POST', place: 'query' };
const postForm = { method: 'POST', place: 'form' };
const postJSON = { method: 'POST', place: 'json' };

// patience is how long a client waits on a busy machine, in milliseconds.
const patience = 30000;

// popCore asks with pop-core. Business failures it throws; they are an answer here.
async function popCore(url, { credential, method, action, version, params, headers }) {
  const client = new PopCore.RPCClient({
    endpoint: url.origin, apiVersion: version, accessKeyId: credential.id, accessKeySecret: credential.secret,
  });
  const options = { method, timeout: patience, formatAction: false };
  if (headers) {
    options.headers = headers;
  }
  try {
    return await client.request(action, params, options);
  } catch (err) {
    if (typeof err.code === 'number' && err.data) {
      if (err.name !== `${err.code}Error` || err.message.split(', URL: ')[0] !== err.data.Message) {
        throw new Error('pop-core does not show the message of the server', { cause: err });
      }
      return err.data;
    }
    throw err;
  }
}

// teaCall makes a caller of openapi-core or openapi-client, which have one
// interface, with a signature algorithm, their own if there is none.
function teaCall(sdk, { Config, Params, OpenApiRequest, RuntimeOptions }, signatureAlgorithm) {
  return async (url, { credential, method, place, action, version, params, headers, format }) => {
    const client = new sdk.default(new Config({
      accessKeyId: credential.id, accessKeySecret: credential.secret, endpoint: url.host, protocol: url.protocol.slice(0, -1), signatureAlgorithm,
    }));
    const request = place === 'query' ? { query: { ...params } } : { query: {}, body: { ...params } };
    if (format) {
      request.query.Format = format;
    }
    const { body } = await client.callApi(
      new Params({
        action, version, protocol: url.protocol.slice(0, -1), pathname: '/', method, authType: 'AK', style: 'RPC',
        bodyType: format ? 'string' : 'json', reqBodyType: place === 'json' ? 'json' : 'formData',
      }),
      new OpenApiRequest({ headers: headers ?? {}, ...request }),
      new RuntimeOptions({ readTimeout: patience, connectTimeout: patience, autoretry: false }),
    );
    return body;
  };
}

const coreTypes = { Config: core.$OpenApiUtil.Config, Params: core.$OpenApiUtil.Params, OpenApiRequest: core.$OpenApiUtil.OpenApiRequest, RuntimeOptions: dara.RuntimeOptions };
const clientTypes = { Config: openapi.Config, Params: openapi.Params, OpenApiRequest: openapi.OpenApiRequest, RuntimeOptions: tea.RuntimeOptions };

const client = (module, signature, xml, layouts, call) => (
  { module, version: require(`${module}/package.json`).version, signature, xml, layouts, call });

// clients are all modes; xml tells those that can hand XML to their caller.
export const clients = [
  client('@alicloud/pop-core', 'V1', false, [getQuery, postForm], popCore),
  client('@alicloud/openapi-core', 'V3', true, [getQuery, postQuery, postForm, postJSON], teaCall(core, coreTypes)),
  client('@alicloud/openapi-core', 'V1', true, [getQuery, postQuery, postForm], teaCall(core, coreTypes, 'v2')),
  client('@alicloud/openapi-client', 'V3', true, [getQuery, postQuery, postForm, postJSON], teaCall(openapi, clientTypes)),
  client('@alicloud/openapi-client', 'V1', true, [getQuery, postQuery, postForm], teaCall(openapi, clientTypes, 'v2')),
];
