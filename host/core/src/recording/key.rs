//! The key that recordings are encrypted with: XChaCha20-Poly1305, with a nonce drawn at random for each part of a file.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

const KEY_BYTES: usize = 32;
pub(super) const NONCE_BYTES: usize = 24;

/// A key of 256 bits. It is wiped from memory when it is dropped, and does not show itself.
#[derive(Clone)]
pub struct RecordingKey(Arc<Zeroizing<[u8; KEY_BYTES]>>);

impl std::fmt::Debug for RecordingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RecordingKey(…)")
    }
}

/// The text is no key. What it is does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the key for recordings is not valid: use 32 random bytes as 64 hexadecimal digits or as base64, such as `openssl rand -hex 32` prints"
)]
pub struct InvalidRecordingKey;

impl RecordingKey {
    /// From hexadecimal digits or base64; white space around it is left out.
    ///
    /// # Errors
    /// [`InvalidRecordingKey`].
    ///
    /// ```
    /// use belljar::RecordingKey;
    ///
    /// assert!(RecordingKey::parse(&"5a".repeat(32)).is_ok());
    /// assert!(RecordingKey::parse("too short").is_err());
    /// ```
    pub fn parse(text: &str) -> Result<Self, InvalidRecordingKey> {
        let text = text.trim();
        let bytes = if text.len() == 2 * KEY_BYTES {
            let pairs = text.as_bytes().chunks(2).map(|pair| {
                let digits = std::str::from_utf8(pair)
                    .ok()
                    .filter(|pair| pair.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
                u8::from_str_radix(digits, 16).ok()
            });
            pairs.collect::<Option<Vec<u8>>>().map(Zeroizing::new)
        } else {
            STANDARD.decode(text).ok().map(Zeroizing::new)
        };
        let bytes = bytes.and_then(|bytes| <[u8; KEY_BYTES]>::try_from(bytes.as_slice()).ok());
        bytes.map(|bytes| Self(Arc::new(Zeroizing::new(bytes)))).ok_or(InvalidRecordingKey)
    }

    /// Encrypts a part of a file; `about` is what comes before it there. The nonce first.
    pub(super) fn seal(&self, about: &[u8], text: &[u8]) -> Vec<u8> {
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).expect("the operating system has a random generator");
        let payload = Payload { msg: text, aad: about };
        let sealed = self.cipher().encrypt(&XNonce::from(nonce), payload).expect("a part is shorter than 256 GiB");
        [nonce.as_slice(), &sealed].concat()
    }

    /// Decrypts it; `None` when it is not what this key has encrypted.
    pub(super) fn open(&self, about: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_BYTES>()?;
        self.cipher().decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad: about }).ok()
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(self.0.as_slice().try_into().expect("32 bytes are a key"))
    }
}
