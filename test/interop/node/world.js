// The server and what is in it, as ../doc.go lists it in the environment.
import assert from 'node:assert/strict';
import { Device } from './device.js';

export function env(name) {
  const value = process.env[name];
  assert.ok(value, `${name} is not set: these tests need a running server and devices, see ../doc.go`);
  return value;
}

const key = Buffer.from(env('HALLMARK_KEY_HEX'), 'hex');
assert.equal(key.length, 16, 'HALLMARK_KEY_HEX: want 32 hexadecimal digits, an AES-128 key');

const credential = (kind) => ({ id: env(`HALLMARK_${kind}_KEY_ID`), secret: env(`HALLMARK_${kind}_KEY_SECRET`) });

export const world = {
  url: new URL(env('HALLMARK_URL')),
  good: credential('ACCESS'),
  disabled: credential('DISABLED'),
  scoped: credential('SCOPED'), // may call GetServerRandom only
  productKey: env('HALLMARK_PRODUCT_KEY'),
  productSecret: env('HALLMARK_PRODUCT_SECRET'),
  spareProductKey: env('HALLMARK_SPARE_PRODUCT_KEY'),
  otpProductKey: env('HALLMARK_OTP_PRODUCT_KEY'),
  otpSecret: env('HALLMARK_OTP_SECRET'),
  device: new Device(env('HALLMARK_ID2'), key),
  discarded: new Device('INTEROPDISCARDED00000001', key),
  unlicensed: new Device('INTEROPUNLICENSED0000001', key),
  nobody: new Device('INTEROPNOBODY00000000001', key),
  suspendedID: 'INTEROPSUSPENDED00000001',
};

// The parameters of the actions for a code of a device.
export const random = (more = {}) => ({ ApiVersion: '1.1.2', Id2: world.device.id, ...more });
export const verify = (device, AuthCode, more = {}) => (
  { ApiVersion: '1.1.2', Id2: device.id, ProductKey: world.productKey, AuthCode, ...more });
export const mutual = (DeviceAuthCode, more = {}) => ({
  ApiVersion: '1.1.2', Id2: world.device.id, ProductKey: world.productKey, DeviceAuthCode, DeviceChallenge: 'ABCD12348', Data: 'abcd1234', ...more,
});
export const otp = (DeviceAuthCode, more = {}) => ({ ApiVersion: '1.1.2', DeviceAuthCode, ...more });

// nasty are values that a wrong encoding would spoil.
export const nasty = [
  ' ', ' edges ', '+', '*', '~', "!'()", '%', '%2F%20+', 'a/b', 'k=v', 'a&b', '#?;:@,$[]', '"\\', '<a>&amp;', 'é中文', '\u2028',
  '😀', 'two\nlines', 'tab\tand\r\nreturn', "di gest*1'2~3+4/é中!()%=&\n😀",
];
