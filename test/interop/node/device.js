// An AES-128 device, worked out from the protocol note (id2 §1–§3) with
// nothing but Node's own crypto.
import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';

export class Device {
  constructor(id, key) {
    this.id = id;
    this.key = key;
  }

  // sign returns the Base64 of the encrypted SHA-256 of a message (id2 §2.1).
  sign(message) {
    const cipher = createCipheriv('aes-128-ecb', this.key, null);
    const digest = createHash('sha256').update(message, 'utf8').digest();
    return Buffer.concat([cipher.update(digest), cipher.final()]).toString('base64');
  }

  // authCode returns a device authentication code over a challenge or, when
  // timestamp is true, over a time; extra may be empty (id2 §1).
  authCode(value, { extra = '', timestamp = false } = {}) {
    const type = (timestamp ? 1 : 0) + (extra ? 2 : 0);
    const random = randomBytes(8).toString('hex').toUpperCase();
    return [type, 2, random, value, this.sign(this.id + random + value + extra)].join('~');
  }

  // timestampCode returns an authentication code over the present.
  timestampCode(extra = '') {
    return this.authCode(String(Date.now()), { extra, timestamp: true });
  }

  // decrypt opens what the server encrypted for the device (id2 §2.2).
  decrypt(text) {
    const decipher = createDecipheriv('aes-128-ecb', this.key, null);
    return Buffer.concat([decipher.update(text, 'base64'), decipher.final()]).toString('utf8');
  }

  // serverCode returns the code that the server must answer to a device's
  // challenge (id2 §3).
  serverCode(challenge, extra = '') {
    const inverted = this.id.replace(/[0-9A-F]/g, (c) => (15 - parseInt(c, 16)).toString(16).toUpperCase());
    return [extra ? 11 : 10, 2, challenge, this.sign(inverted + challenge + extra)].join('~');
  }
}

// The key types of one-time provisioning (id2 §4.4).
export const otpAES128 = 1;
export const otpAES192 = 2;

// OTPDevice is a device before it has an identity, with its product's token in
// either form (id2 §4.1).
export class OTPDevice {
  constructor(token, fingerprint) {
    this.key = token[1] === '1' ? Buffer.from(token.slice(3, 19), 'latin1') : Buffer.from(token.slice(8, 32), 'base64');
    this.fingerprint = fingerprint;
  }

  // code asks for a key of a type (id2 §4.2).
  code(keyType) {
    this.session = randomBytes(16);
    const plain = Buffer.concat([Buffer.of(keyType), this.session, Buffer.from(this.fingerprint)]);
    const cipher = createCipheriv('aes-128-ecb', this.key, null);
    const digest = (data) => createHash('sha256').update(data).digest();
    return Buffer.concat([Buffer.of(0, 0, 1, 0), digest(this.key), digest(plain), cipher.update(plain), cipher.final()]).toString('base64');
  }

  // open takes an AES-128 identity out of the server's answer (id2 §4.3).
  open(text) {
    const data = Buffer.from(text, 'base64');
    if (data.length !== 1 + 24 + 32 + 32 || data[0] !== otpAES128) {
      throw new Error('no identity of an AES-128 device');
    }
    const decipher = createDecipheriv('aes-128-ecb', this.session, null);
    const device = new Device(data.toString('latin1', 1, 25), Buffer.concat([decipher.update(data.subarray(25, 57)), decipher.final()]));
    if (device.decrypt(data.subarray(57)) !== device.id) {
      throw new Error('the key does not open its own id');
    }
    return device;
  }
}

// tamper changes the signature of an authentication code.
export function tamper(code) {
  const at = code.lastIndexOf('~') + 1;
  return code.slice(0, at) + (code[at] === 'A' ? 'B' : 'A') + code.slice(at + 1);
}
