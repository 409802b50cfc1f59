// Wycheproof's vectors against crypto.subtle: `FILE` is one of its files. Prints one line of JSON: how many vectors there were, how many
// were left out (and why), and the numbers of those that went wrong. A vector that is "acceptable" may go either way.
(async () => {
  const { subtle } = crypto;
  const bytes = (hex) => Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));
  const hex = (buffer) => [...new Uint8Array(buffer)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  const CURVES = { secp256r1: 'P-256', secp384r1: 'P-384', secp521r1: 'P-521' };
  const HASHES = ['SHA-1', 'SHA-256', 'SHA-384', 'SHA-512'];
  class LeftOut extends Error {}
  const leaveOutUnless = (condition, why) => { if (!condition) throw new LeftOut(why); };
  const hashOf = (name) => { leaveOutUnless(HASHES.includes(name), `the hash ${name}`); return name; };

  async function verifies(format, key, algorithm, parameters, test) {
    const held = await subtle.importKey(format, key, algorithm, false, ['verify']);
    return subtle.verify(parameters, held, bytes(test.sig), bytes(test.msg));
  }
  async function encryptsAndDecrypts(name, parameters, key, plain, sealed) {
    const held = await subtle.importKey('raw', key, name, false, ['encrypt', 'decrypt']);
    // A vector that is not valid must not decrypt; one that is must encrypt to the same.
    const decrypted = hex(await subtle.decrypt(parameters, held, sealed));
    return decrypted === hex(plain) && hex(await subtle.encrypt(parameters, held, plain)) === hex(sealed);
  }
  const der = (tag, ...parts) => {
    const content = parts.flat();
    const { length } = content;
    return [tag, ...(length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255]), ...content];
  };
  const EC = [0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
  const OIDS = { secp256r1: [0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07], secp384r1: [0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22], secp521r1: [0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23] };
  const LENGTHS = { secp256r1: 32, secp384r1: 48, secp521r1: 66 };
  async function agrees(format, group, test) {
    const algorithm = { name: 'ECDH', namedCurve: CURVES[group.curve] };
    // The vectors have the private key as a number: written as pkcs8, without its public key.
    const number = [...bytes(test.private.length % 2 ? `0${test.private}` : test.private)];
    while (number.length > LENGTHS[group.curve]) if (number.shift() !== 0) throw new LeftOut('private keys longer than the curve');
    while (number.length < LENGTHS[group.curve]) number.unshift(0);
    const key = der(0x30, [2, 1, 0], der(0x30, EC, OIDS[group.curve]), der(4, der(0x30, [2, 1, 1], der(4, number))));
    const ours = await subtle.importKey('pkcs8', Uint8Array.from(key), algorithm, false, ['deriveBits']);
    const theirs = await subtle.importKey(format, bytes(test.public), algorithm, false, []).catch((error) => {
      // Compressed points are not taken: a vector that wants one is no test.
      if (test.flags.includes('CompressedPublic') || test.flags.includes('CompressedPoint')) throw new LeftOut('compressed points');
      throw error;
    });
    return hex(await subtle.deriveBits({ name: 'ECDH', public: theirs }, ours, null)) === test.shared;
  }
  const checks = {
    AeadTest(group, test) {
      leaveOutUnless([32, 64, 96, 104, 112, 120, 128].includes(group.tagSize), `tags of ${group.tagSize} bits`);
      const parameters = { name: 'AES-GCM', iv: bytes(test.iv), additionalData: bytes(test.aad), tagLength: group.tagSize };
      return encryptsAndDecrypts('AES-GCM', parameters, bytes(test.key), bytes(test.msg), bytes(test.ct + test.tag));
    },
    IndCpaTest: (_, test) => encryptsAndDecrypts('AES-CBC', { name: 'AES-CBC', iv: bytes(test.iv) }, bytes(test.key), bytes(test.msg), bytes(test.ct)),
    async KeywrapTest(_, test) {
      const wrapper = await subtle.importKey('raw', bytes(test.key), 'AES-KW', false, ['wrapKey', 'unwrapKey']);
      const hmac = { name: 'HMAC', hash: 'SHA-256' };
      const key = await subtle.unwrapKey('raw', bytes(test.ct), wrapper, 'AES-KW', hmac, true, ['sign']);
      return hex(await subtle.exportKey('raw', key)) === test.msg && hex(await subtle.wrapKey('raw', key, wrapper, 'AES-KW')) === test.ct;
    },
    EcdsaP1363Verify(group, test) {
      const namedCurve = CURVES[group.publicKey.curve];
      leaveOutUnless(namedCurve !== undefined, `the curve ${group.publicKey.curve}`);
      return verifies('spki', bytes(group.publicKeyDer), { name: 'ECDSA', namedCurve }, { name: 'ECDSA', hash: hashOf(group.sha) }, test);
    },
    EddsaVerify: (group, test) => verifies('spki', bytes(group.publicKeyDer), 'Ed25519', 'Ed25519', test),
    RsassaPkcs1Verify: (group, test) => (
      verifies('spki', bytes(group.publicKeyDer), { name: 'RSASSA-PKCS1-v1_5', hash: hashOf(group.sha) }, 'RSASSA-PKCS1-v1_5', test)),
    async RsassaPkcs1Generate(group, test) {
      const hash = hashOf(group.sha);
      leaveOutUnless(group.keySize >= 2048, `RSA keys of ${group.keySize} bits`);
      leaveOutUnless(hash !== 'SHA-1', 'signing with SHA-1');
      const key = await subtle.importKey('pkcs8', bytes(group.privateKeyPkcs8), { name: 'RSASSA-PKCS1-v1_5', hash }, false, ['sign']);
      return hex(await subtle.sign('RSASSA-PKCS1-v1_5', key, bytes(test.msg))) === test.sig;
    },
    RsassaPssVerify(group, test) {
      const hash = hashOf(group.sha);
      leaveOutUnless(hash !== 'SHA-1', 'RSA-PSS with SHA-1');
      leaveOutUnless(group.keySize >= 2048, `RSA keys of ${group.keySize} bits`);
      leaveOutUnless(group.mgf === 'MGF1' && group.mgfSha === hash, 'RSA-PSS with two hashes');
      return verifies('spki', bytes(group.publicKeyDer), { name: 'RSA-PSS', hash }, { name: 'RSA-PSS', saltLength: group.sLen }, test);
    },
    async RsaesOaepDecrypt(group, test) {
      const hash = hashOf(group.sha);
      leaveOutUnless(group.mgfSha === hash, 'RSA-OAEP with two hashes');
      leaveOutUnless(group.keySize >= 2048, `RSA keys of ${group.keySize} bits`);
      const key = await subtle.importKey('pkcs8', bytes(group.privateKeyPkcs8), { name: 'RSA-OAEP', hash }, false, ['decrypt']);
      return hex(await subtle.decrypt({ name: 'RSA-OAEP', label: bytes(test.label) }, key, bytes(test.ct))) === test.msg;
    },
    async EcdhWebcryptoTest(group, test) {
      const algorithm = { name: 'ECDH', namedCurve: group.curve };
      const theirs = await subtle.importKey('jwk', test.public, algorithm, false, []);
      const ours = await subtle.importKey('jwk', test.private, algorithm, false, ['deriveBits']);
      return hex(await subtle.deriveBits({ name: 'ECDH', public: theirs }, ours, null)) === test.shared;
    },
    async EcdhTest(group, test) { return agrees('spki', group, test); },
    async EcdhEcpointTest(group, test) { return agrees('raw', group, test); },
    async XdhJwkComp(_, test) {
      const theirs = await subtle.importKey('jwk', test.public, 'X25519', false, []);
      const ours = await subtle.importKey('jwk', test.private, 'X25519', false, ['deriveBits']);
      return hex(await subtle.deriveBits({ name: 'X25519', public: theirs }, ours, null)) === test.shared;
    },
    async XdhAsnComp(_, test) {
      const theirs = await subtle.importKey('spki', bytes(test.public), 'X25519', false, []);
      const ours = await subtle.importKey('pkcs8', bytes(test.private), 'X25519', false, ['deriveBits']);
      return hex(await subtle.deriveBits({ name: 'X25519', public: theirs }, ours, null)) === test.shared;
    },
    async HkdfTest(_, test) {
      const key = await subtle.importKey('raw', bytes(test.ikm), 'HKDF', false, ['deriveBits']);
      const parameters = { name: 'HKDF', hash: hashOf(FILE.algorithm.replace('HKDF-', '')), salt: bytes(test.salt), info: bytes(test.info) };
      return hex(await subtle.deriveBits(parameters, key, test.size * 8)) === test.okm;
    },
    async PbkdfTest(_, test) {
      leaveOutUnless(test.iterationCount <= 20_000, 'more than 20,000 iterations, for the time they take');
      const key = await subtle.importKey('raw', bytes(test.password), 'PBKDF2', false, ['deriveBits']);
      const hash = hashOf(FILE.algorithm.replace('PBKDF2-HMACSHA', 'SHA-'));
      return hex(await subtle.deriveBits({ name: 'PBKDF2', hash, salt: bytes(test.salt), iterations: test.iterationCount }, key, test.dkLen * 8)) === test.dk;
    },
    async MacTest(group, test) {
      const algorithm = { name: 'HMAC', hash: hashOf(FILE.algorithm.replace('HMACSHA', 'SHA-')) };
      const key = await subtle.importKey('raw', bytes(test.key), algorithm, false, ['sign', 'verify']);
      const tag = hex(await subtle.sign('HMAC', key, bytes(test.msg)));
      // Some vectors have the beginning of the tag only.
      return tag.startsWith(test.tag) && (group.tagSize < tag.length * 4 || subtle.verify('HMAC', key, bytes(test.tag), bytes(test.msg)));
    },
  };

  const summary = { vectors: 0, checked: 0, leftOut: {}, acceptedThoughInvalid: [], rejectedThoughValid: [], unexpectedErrors: [] };
  for (const group of FILE.testGroups) {
    for (const test of group.tests) {
      summary.vectors++;
      let passes;
      try {
        if (checks[group.type] === undefined) throw new LeftOut(`tests of type ${group.type}`);
        passes = await checks[group.type](group, test);
      } catch (error) {
        if (error instanceof LeftOut) {
          summary.leftOut[error.message] = (summary.leftOut[error.message] ?? 0) + 1;
          continue;
        }
        // Only the standard's errors say that something is not valid.
        if (!(error instanceof DOMException)) summary.unexpectedErrors.push(`${test.tcId}: ${error.name}: ${error.message}`);
        passes = false;
      }
      summary.checked++;
      if (test.result === 'invalid' && passes) summary.acceptedThoughInvalid.push(test.tcId);
      if (test.result === 'valid' && !passes) summary.rejectedThoughValid.push(test.tcId);
    }
  }
  print(JSON.stringify(summary));
})();
