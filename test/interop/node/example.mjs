// A service provider's back end that asks a Hallmark server with the vendor's
// Node SDK. README.md prints the marked part.
//
//   node example.mjs random ID2
//   node example.mjs verify ID2 AUTHCODE
//
// The first prints a challenge for the device, the second whether the device's
// answer is genuine. The environment names the server and the credential; see
// ../doc.go.

// README:begin
import PopCore from '@alicloud/pop-core';

const client = new PopCore.RPCClient({
  endpoint: process.env.HALLMARK_URL, // http://127.0.0.1:8080 — the one change
  apiVersion: '2017-07-07',
  accessKeyId: process.env.HALLMARK_ACCESS_KEY_ID,
  accessKeySecret: process.env.HALLMARK_ACCESS_KEY_SECRET,
});

// call asks the id2 door to perform an action; any Code but 200 is thrown.
async function call(action, params) {
  const answer = await client.request(action, { ApiVersion: '1.1.2', ...params }, { method: 'POST' });
  return answer.Data;
}

// random asks for a challenge that the device must answer.
const random = (id) => call('GetServerRandom', { Id2: id });

// verify asks whether the device's answer is genuine.
const verify = (id, authCode) =>
  call('Verify', { Id2: id, AuthCode: authCode, ProductKey: process.env.HALLMARK_PRODUCT_KEY });
// README:end

const [action, ...args] = process.argv.slice(2);
console.log(await { random, verify }[action](...args));
