// Drives a running Hallmark server with the vendor's Node SDK. What it needs in
// the environment is listed in ../doc.go; without it every test fails.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import PopCore from '@alicloud/pop-core';
import { Device, tamper } from './device.js';

// Extra data that a wrong percent-encoding would spoil.
const extra = "di gest*1'2~3+4/é中";
const methods = ['GET', 'POST'];

let device;
let client;

function env(name) {
  const value = process.env[name];
  assert.ok(value, `${name} is not set: these tests need a running server and a device, see ../doc.go`);
  return value;
}

function newClient(secret) {
  return new PopCore.RPCClient({
    endpoint: env('HALLMARK_URL'),
    apiVersion: '2017-07-07',
    accessKeyId: env('HALLMARK_ACCESS_KEY_ID'),
    accessKeySecret: secret,
  });
}

before(() => {
  const key = Buffer.from(env('HALLMARK_KEY_HEX'), 'hex');
  assert.equal(key.length, 16, 'HALLMARK_KEY_HEX: want 32 hexadecimal digits, an AES-128 key');
  env('HALLMARK_PRODUCT_KEY');
  device = new Device(env('HALLMARK_ID2'), key);
  client = newClient(env('HALLMARK_ACCESS_KEY_SECRET'));
});

// call performs an operation on the device; with POST pop-core puts everything,
// the signature included, into a form body.
async function call(method, action, params, by = client) {
  const all = { ApiVersion: '1.1.2', Id2: device.id, ...params };
  if (action !== 'GetServerRandom') {
    all.ProductKey = env('HALLMARK_PRODUCT_KEY');
  }
  return by.request(action, all, { method });
}

// data performs an operation that has to succeed and returns its data.
async function data(method, action, params) {
  const reply = await call(method, action, params);
  assert.equal(reply.Code, 200);
  assert.equal(reply.Success, true);
  assert.match(reply.RequestId, /^[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}$/);
  return reply.Data;
}

async function challenge(method) {
  const random = await data(method, 'GetServerRandom', {});
  assert.match(random, /^[0-9A-F]{32}$/);
  return random;
}

for (const method of methods) {
  test(`${method} Verify`, async () => {
    for (const params of [
      { AuthCode: device.authCode(await challenge(method)) },
      { AuthCode: device.authCode(await challenge(method), { extra }), Extra: extra },
      { AuthCode: device.timestampCode() },
      { AuthCode: device.timestampCode(extra), Extra: extra, ProductSource: 1 },
    ]) {
      assert.equal(await data(method, 'Verify', params), true);
    }
  });

  test(`${method} VerifyAndEncrypt`, async () => {
    const secret = '6F5DDB5F21C28F06484A4695FAB9 + ~';
    const sealed = await data(method, 'VerifyAndEncrypt', {
      AuthCode: device.timestampCode(extra), Extra: extra, Data: secret,
    });
    assert.equal(device.decrypt(sealed), secret);
  });

  test(`${method} GetServerAuthCodeAndEncryptData`, async () => {
    for (const serverExtra of ['', '1234abcfe + ~']) {
      const reply = await data(method, 'GetServerAuthCodeAndEncryptData', {
        DeviceAuthCode: device.authCode(await challenge(method), { extra }),
        DeviceExtra: extra,
        DeviceChallenge: 'ABCD12348',
        Data: 'abcd1234',
        ...(serverExtra ? { ServerExtra: serverExtra } : {}),
      });
      assert.equal(reply.ServerAuthCode, device.serverCode('ABCD12348', serverExtra));
      assert.equal(device.decrypt(reply.EncryptData), 'abcd1234');
    }
  });

  test(`${method}: a tampered code is refused, and pop-core throws the server's message`, async () => {
    await assert.rejects(call(method, 'Verify', { AuthCode: tamper(device.timestampCode()) }), (err) => {
      assert.equal(err.code, 21);
      assert.equal(err.name, '21Error');
      assert.doesNotMatch(err.message, /^undefined/);
      assert.equal(err.message.split(', URL: ')[0], err.data.Message);
      assert.equal(err.data.Success, false);
      assert.equal('Data' in err.data, false);
      return true;
    });
  });

  test(`${method}: a wrong secret is refused by the gateway`, async () => {
    const stranger = newClient(`${env('HALLMARK_ACCESS_KEY_SECRET')}x`);
    await assert.rejects(call(method, 'GetServerRandom', { Extra: extra }, stranger), (err) => {
      assert.equal(err.code, 'SignatureDoesNotMatch');
      assert.equal(err.name, 'SignatureDoesNotMatchError');
      assert.match(err.message, new RegExp(`server string to sign is:${method}&%2F&AccessKeyId%3D`));
      return true;
    });
  });
}
