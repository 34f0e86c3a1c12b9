// A phone app that seals, signs and opens with sm-crypto-v2 alone, from the
// description in docs/ciss.md.
import { Buffer } from 'node:buffer';
import { sm2, sm3, sm4 } from 'sm-crypto-v2';

const zero = '0'.repeat(32);

// stamp writes a time as the interface wants it: yyyyMMddHHmmss in UTC+8.
export function stamp(at = new Date()) {
  return new Date(at.getTime() + 8 * 3600_000).toISOString().replace(/[-T:]|\..*/g, '');
}

export class App {
  constructor(url, id, keyHex) {
    Object.assign(this, { url, id, keyHex });
  }

  // sign is Sm3WithSM4Base64 of the joined values.
  sign(joined) {
    return this.encrypt(Buffer.from(sm3(joined), 'hex'), 'none').toString('base64');
  }

  encrypt(bytes, padding) {
    return Buffer.from(sm4.encrypt(new Uint8Array(bytes), this.keyHex, { mode: 'cbc', iv: zero, padding }), 'hex');
  }

  seal(text) {
    return encodeURIComponent(this.encrypt(Buffer.from(text), 'pkcs#7').toString('base64'));
  }

  open(sealed) {
    const hex = Buffer.from(decodeURIComponent(sealed), 'base64').toString('hex');
    return sm4.decrypt(hex, this.keyHex, { mode: 'cbc', iv: zero, padding: 'pkcs#7', output: 'string' });
  }

  // message signs fields, joined in the order of their names, and seals them.
  message(fields) {
    const all = { appId: this.id, ...fields };
    const names = Object.keys(all).sort((a, b) => (a.toLowerCase() < b.toLowerCase() ? -1 : 1));
    return this.seal(JSON.stringify({ ...fields, signature: this.sign(names.map((n) => all[n]).join('')) }));
  }

  scan(authId, scanStatus = '81', timestamp = stamp()) {
    return this.message({ authId, scanStatus, timestamp });
  }

  login(authId, card, signed = authId, options = {}) {
    const signData = sm2.doSignature(new Uint8Array(Buffer.from(signed)), card.d, { hash: true, der: true, ...options });
    return this.message({ authId, signCert: card.cert, signData, timestamp: stamp() });
  }

  // post sends a message and returns the answer, opened and checked.
  async post(path, param) {
    const response = await fetch(`${this.url}/skfinterface/${path}`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ appId: this.id, param }),
    });
    if (response.status !== 200) throw new Error(`HTTP ${response.status}: ${await response.text()}`);
    const { statusCode, returnObj } = await response.json();
    if (statusCode === 212) return { statusCode, resultDesc: returnObj };
    const { resultDesc, timestamp, signature } = JSON.parse(this.open(returnObj));
    if (signature !== this.sign(resultDesc + timestamp)) throw new Error('the answer has a wrong signature');
    return { statusCode, resultDesc };
  }
}
