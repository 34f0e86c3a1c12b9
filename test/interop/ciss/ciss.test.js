// Drives both endpoints of a running server with sm-crypto-v2. What it needs in
// the environment is listed in run; without it every test fails.
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { App, stamp } from './peer.js';

const scan = 'auth/scan';
const login = 'third/verifySign/loginVerify';

function env(name) {
  const value = process.env[name];
  assert.ok(value, `${name} is not set: these tests need a running server and cards, see run`);
  return value;
}

const app = new App(env('HALLMARK_URL'), env('HALLMARK_APP_ID'), env('HALLMARK_APP_KEY'));

function der(file) {
  return Buffer.from(readFileSync(file, 'utf8').replace(/-----[^-]+-----|\s/g, ''), 'base64');
}

// card reads NAME.key, whose number follows the version of the ECPrivateKey,
// and NAME.pem.
function card(name) {
  const file = `${env('HALLMARK_CARDS')}/${name}`;
  const key = der(`${file}.key`);
  const at = key.indexOf(Buffer.from('0201010420', 'hex')) + 5;
  return { d: key.subarray(at, at + 32).toString('hex'), cert: der(`${file}.pem`).toString('hex') };
}

const wang = card('wang');

// page is a browser that shows a code.
async function page() {
  const response = await fetch(`${app.url}/console/login`);
  const html = await response.text();
  const authId = /data-authid="([^"]+)"/.exec(html)?.[1];
  assert.ok(authId, 'the page shows no code');
  const cookie = response.headers.getSetCookie().map((c) => c.split(';')[0]).join('; ');
  const status = async () => (await fetch(`${app.url}/console/login/status?state=`, { headers: { cookie } })).json();
  return { authId, status };
}

async function answers(path, param, statusCode, resultDesc) {
  const got = await app.post(path, param);
  assert.equal(got.statusCode, statusCode, got.resultDesc);
  assert.ok(got.resultDesc.startsWith(resultDesc), got.resultDesc);
}

test('scan, look, confirm', async () => {
  const { authId, status } = await page();
  const scanned = await app.post(scan, app.scan(authId));
  assert.equal(scanned.statusCode, 200);
  assert.match(scanned.resultDesc, /^成功。请求登录的地址：127\.0\.0\.1/);
  assert.equal((await status()).state, 'scanned');
  const message = app.login(authId, wang);
  await answers(login, message, 200, '成功');
  assert.equal((await status()).state, 'authenticated');
  await answers(login, message, 209, '报文无法受理');
  await answers(login, app.login(authId, wang), 921, '二维码已使用或已取消');
});

test('r‖s instead of DER', async () => {
  const { authId } = await page();
  await answers(scan, app.scan(authId), 200, '成功');
  await answers(login, app.login(authId, wang, authId, { der: false }), 200, '成功');
});

test('cancel', async () => {
  const { authId, status } = await page();
  await answers(scan, app.scan(authId, '84'), 200, '成功');
  assert.equal((await status()).state, 'cancelled');
  await answers(login, app.login(authId, wang), 921, '二维码已使用或已取消');
});

test('messages that are wrong look alike', async () => {
  const { authId } = await page();
  const other = new App(app.url, app.id, '0'.repeat(32));
  const good = app.scan(authId);
  const flipped = Buffer.from(decodeURIComponent(good), 'base64');
  flipped[flipped.length - 17] ^= 1;
  const fields = { authId, scanStatus: '81', timestamp: stamp() };
  for (const param of [
    other.scan(authId),
    encodeURIComponent(flipped.toString('base64')),
    app.seal('{"authId":'),
    app.message({ authId, timestamp: stamp() }),
    app.seal(JSON.stringify({ ...fields, signature: app.sign('something else') })),
    app.scan(authId, '81', stamp(new Date(Date.now() - 600_000))),
    'nonsense',
  ]) {
    await answers(scan, param, 209, '报文无法受理');
  }
  await answers(scan, good, 200, '成功');
  await answers(scan, good, 209, '报文无法受理');
});

test('an unknown app', async () => {
  const unknown = new App(app.url, '1010000000000021', app.keyHex);
  assert.deepEqual(await unknown.post(scan, unknown.scan('0'.repeat(32))), { statusCode: 212, resultDesc: '接入信息不存在' });
});

test('signers that are not accepted', async () => {
  const { authId } = await page();
  await answers(login, app.login(authId, wang), 921, '请先扫描二维码');
  await answers(scan, app.scan('0'.repeat(32)), 921, '二维码不存在或已失效');
  await answers(scan, app.scan(authId), 200, '成功');
  await answers(login, app.login(authId, wang, `${authId} `), 921, '签名验证失败');
  await answers(login, app.login(authId, wang, authId, { userId: 'ALICE123@YAHOO.COM' }), 921, '签名验证失败');
  await answers(login, app.login(authId, { ...card('thief'), cert: wang.cert }), 921, '签名验证失败');
  await answers(login, app.login(authId, card('thief')), 921, '证书不受信任');
  await answers(login, app.login(authId, card('revoked')), 921, '证书已吊销');
  await answers(login, app.login(authId, card('expired')), 921, '证书不在有效期内');
  await answers(login, app.login(authId, card('cipher')), 921, '证书用途不允许签名');
  await answers(login, app.login(authId, card('li')), 921, '证书未绑定账号');
  await answers(login, app.login(authId, wang), 200, '成功');
});
