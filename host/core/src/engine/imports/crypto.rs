//! The guest's calls of `wit/crypto.wit`, and between its types and the capability's own.

use zeroize::Zeroizing;

use super::super::bindings::belljar::applet::completions::Outcome;
use super::super::bindings::belljar::applet::crypto;
use super::State;
use crate::capability::crypto::{
    Cipher, CryptoError, CryptoOperation, CryptoReply, GENERATE_RANDOM_BYTES, Hash, KeyDescription, KeyFormat, KeyKind,
    KeyRole, Scheme,
};

impl State {
    fn crypto(&mut self, operation: CryptoOperation) -> wasmtime::Result<u32> {
        let bytes = operation.size_bytes();
        let work = self.capabilities.crypto.run(operation);
        self.submit(bytes, async move { outcome(work.await) })
    }
}

impl crypto::Host for State {
    fn import_key(
        &mut self,
        kind: crypto::Kind,
        format: crypto::Format,
        material: Vec<Vec<u8>>,
        extractable: bool,
    ) -> wasmtime::Result<u32> {
        // Of a key only how long it is: what is decoded from a secret is not recognised as one.
        let lengths: Vec<usize> = material.iter().map(Vec::len).collect();
        if let Some(number) = self.replayed("crypto.import-key", &(kind, format, lengths, extractable))? {
            return Ok(number);
        }
        let material = material.into_iter().map(Zeroizing::new).collect();
        self.crypto(CryptoOperation::Import { kind: key_kind(kind), format: key_format(format), material, extractable })
    }

    fn export_key(&mut self, key: u32, format: crypto::Format) -> wasmtime::Result<u32> {
        if let Some(number) = self.replayed("crypto.export-key", &(key, format))? {
            return Ok(number);
        }
        self.crypto(CryptoOperation::Export { key, format: key_format(format) })
    }

    fn generate_key(&mut self, kind: crypto::Kind, bits: u32, extractable: bool) -> wasmtime::Result<u32> {
        if let Some(number) = self.replayed("crypto.generate-key", &(kind, bits, extractable))? {
            return Ok(number);
        }
        // Drawn now, so that a seeded source makes the same keys in the same order.
        let mut random = Zeroizing::new(vec![0; GENERATE_RANDOM_BYTES]);
        self.source.random(&mut random);
        self.crypto(CryptoOperation::Generate { kind: key_kind(kind), bits, extractable, random })
    }

    fn drop_key(&mut self, key: u32) -> wasmtime::Result<()> {
        self.host_calls += 1;
        if !self.asked("crypto.drop-key", &(key,))? {
            self.capabilities.crypto.drop_key(key);
        }
        Ok(())
    }

    fn encrypt(&mut self, key: u32, cipher: crypto::Cipher, text: Vec<u8>) -> wasmtime::Result<u32> {
        if let Some(number) = self.replayed("crypto.encrypt", &(key, &cipher, &text))? {
            return Ok(number);
        }
        self.crypto(CryptoOperation::Encrypt { key, cipher: self::cipher(cipher), text })
    }

    fn decrypt(&mut self, key: u32, cipher: crypto::Cipher, text: Vec<u8>) -> wasmtime::Result<u32> {
        if let Some(number) = self.replayed("crypto.decrypt", &(key, &cipher, &text))? {
            return Ok(number);
        }
        self.crypto(CryptoOperation::Decrypt { key, cipher: self::cipher(cipher), text })
    }

    fn sign(&mut self, key: u32, scheme: crypto::Scheme, message: Vec<u8>) -> wasmtime::Result<u32> {
        if let Some(number) = self.replayed("crypto.sign", &(key, scheme, &message))? {
            return Ok(number);
        }
        self.crypto(CryptoOperation::Sign { key, scheme: self::scheme(scheme), message })
    }

    fn verify(
        &mut self,
        key: u32,
        scheme: crypto::Scheme,
        signature: Vec<u8>,
        message: Vec<u8>,
    ) -> wasmtime::Result<u32> {
        if let Some(number) = self.replayed("crypto.verify", &(key, scheme, &signature, &message))? {
            return Ok(number);
        }
        self.crypto(CryptoOperation::Verify { key, scheme: self::scheme(scheme), signature, message })
    }

    fn agree(&mut self, private: u32, public: u32) -> wasmtime::Result<u32> {
        if let Some(number) = self.replayed("crypto.agree", &(private, public))? {
            return Ok(number);
        }
        self.crypto(CryptoOperation::Agree { private, public })
    }
}

fn key_kind(kind: crypto::Kind) -> KeyKind {
    match kind {
        crypto::Kind::Aes => KeyKind::Aes,
        crypto::Kind::Rsa => KeyKind::Rsa,
        crypto::Kind::P256 => KeyKind::P256,
        crypto::Kind::P384 => KeyKind::P384,
        crypto::Kind::P521 => KeyKind::P521,
        crypto::Kind::Ed25519 => KeyKind::Ed25519,
        crypto::Kind::X25519 => KeyKind::X25519,
    }
}

fn key_format(format: crypto::Format) -> KeyFormat {
    match format {
        crypto::Format::Raw => KeyFormat::Raw,
        crypto::Format::Pkcs8 => KeyFormat::Pkcs8,
        crypto::Format::Spki => KeyFormat::Spki,
        crypto::Format::Parts => KeyFormat::Parts,
    }
}

fn hash(hash: crypto::Hash) -> Hash {
    match hash {
        crypto::Hash::Sha1 => Hash::Sha1,
        crypto::Hash::Sha256 => Hash::Sha256,
        crypto::Hash::Sha384 => Hash::Sha384,
        crypto::Hash::Sha512 => Hash::Sha512,
    }
}

fn cipher(cipher: crypto::Cipher) -> Cipher {
    match cipher {
        crypto::Cipher::Gcm(gcm) => {
            Cipher::Gcm { iv: gcm.iv, additional_data: gcm.additional_data, tag_bits: gcm.tag_bits }
        }
        crypto::Cipher::Cbc(iv) => Cipher::Cbc { iv },
        crypto::Cipher::Ctr(ctr) => Cipher::Ctr { counter: ctr.counter, counter_bits: ctr.counter_bits },
        crypto::Cipher::KeyWrap => Cipher::KeyWrap,
        crypto::Cipher::Oaep(oaep) => Cipher::Oaep { hash: hash(oaep.hash), label: oaep.label },
    }
}

fn scheme(scheme: crypto::Scheme) -> Scheme {
    match scheme {
        crypto::Scheme::Pkcs1(h) => Scheme::Pkcs1(hash(h)),
        crypto::Scheme::Pss(pss) => Scheme::Pss { hash: hash(pss.hash), salt_bytes: pss.salt_bytes },
        crypto::Scheme::Ecdsa(h) => Scheme::Ecdsa(hash(h)),
        crypto::Scheme::Ed25519 => Scheme::Ed25519,
    }
}

fn key(key: KeyDescription) -> crypto::Key {
    let role = match key.role {
        KeyRole::Secret => crypto::Role::Secret,
        KeyRole::Private => crypto::Role::Private,
        KeyRole::Public => crypto::Role::Public,
    };
    crypto::Key { id: key.number, role, bits: key.bits, public_exponent: key.public_exponent }
}

fn outcome(result: Result<CryptoReply, CryptoError>) -> Outcome {
    Outcome::Crypto(match result {
        Ok(CryptoReply::Key(one)) => Ok(crypto::Reply::Key(key(one))),
        Ok(CryptoReply::Pair(private, public)) => Ok(crypto::Reply::Pair((key(private), key(public)))),
        Ok(CryptoReply::Bytes(bytes)) => Ok(crypto::Reply::Bytes(bytes)),
        Ok(CryptoReply::Parts(parts)) => Ok(crypto::Reply::Parts(parts)),
        Ok(CryptoReply::Verified(is_valid)) => Ok(crypto::Reply::Verified(is_valid)),
        Err(error) => Err(match error {
            CryptoError::NoKey => crypto::Error::NoKey,
            CryptoError::NotExtractable => crypto::Error::NotExtractable,
            CryptoError::Data(text) => crypto::Error::Data(text),
            CryptoError::Unsupported(text) => crypto::Error::Unsupported(text),
            CryptoError::Failed(text) => crypto::Error::Failed(text),
            CryptoError::Limit(hit) => crypto::Error::Limit(crypto::LimitExceeded {
                limit: hit.name.into(),
                allowed: hit.allowed,
                used: hit.used,
            }),
        }),
    })
}
