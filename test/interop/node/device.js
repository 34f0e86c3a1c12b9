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

// tamper changes the signature of an authentication code.
export function tamper(code) {
  const at = code.lastIndexOf('~') + 1;
  return code.slice(0, at) + (code[at] === 'A' ? 'B' : 'A') + code.slice(at + 1);
}
