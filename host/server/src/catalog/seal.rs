//! The key that secrets are encrypted with, and what it does: XChaCha20-Poly1305 with a nonce drawn at random for each text (192 bits, so
//! that none comes twice), bound to tenant, applet and name, so that a row put in another's place does not open.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use belljar::{AppletId, Source, TenantId};
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 24;

/// A key of 256 bits. It is wiped from memory when it is dropped, and does not show itself.
#[derive(Clone)]
pub struct SecretsKey {
    bytes: Arc<Zeroizing<[u8; KEY_BYTES]>>,
}

/// The text is no key. What it is does not say.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSecretsKey {
    /// It has another length or other characters.
    #[error("the secrets key is not valid: use 32 random bytes as 64 hexadecimal digits or as base64, such as `openssl rand -hex 32` prints")]
    Form,
}

impl SecretsKey {
    /// From hexadecimal digits or base64; white space around it is left out.
    ///
    /// # Errors
    /// [`InvalidSecretsKey::Form`].
    pub fn parse(text: &str) -> Result<Self, InvalidSecretsKey> {
        let text = text.trim();
        let mut bytes = Zeroizing::new([0_u8; KEY_BYTES]);
        if text.len() == 2 * KEY_BYTES {
            for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
                let digits = std::str::from_utf8(digits).ok().filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
                *byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()).ok_or(InvalidSecretsKey::Form)?;
            }
        } else {
            let decoded = STANDARD.decode(text).or_else(|_| STANDARD_NO_PAD.decode(text)).or_else(|_| URL_SAFE_NO_PAD.decode(text));
            let decoded = Zeroizing::new(decoded.map_err(|_| InvalidSecretsKey::Form)?);
            if decoded.len() != KEY_BYTES {
                return Err(InvalidSecretsKey::Form);
            }
            bytes.copy_from_slice(&decoded);
        }
        Ok(Self { bytes: Arc::new(bytes) })
    }

    /// What names the key without telling anything of it: 16 hexadecimal digits.
    pub fn id(&self) -> String {
        blake3::derive_key("belljar secrets key id, version 1", self.bytes.as_slice())[..8].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Encrypts the text of one secret.
    pub(super) fn seal(&self, of: &Owner<'_>, text: &str, random: &dyn Source) -> Vec<u8> {
        let mut nonce = [0; NONCE_BYTES];
        random.random(&mut nonce);
        let payload = Payload { msg: text.as_bytes(), aad: &of.bytes() };
        let sealed = self.cipher().encrypt(&XNonce::from(nonce), payload).expect("a text is shorter than 256 GiB");
        [nonce.as_slice(), &sealed].concat()
    }

    /// Decrypts it; `None` when it is not what this key has encrypted for this owner.
    pub(super) fn open(&self, of: &Owner<'_>, sealed: &[u8]) -> Option<Zeroizing<String>> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_BYTES>()?;
        let payload = Payload { msg: sealed, aad: &of.bytes() };
        let opened = Zeroizing::new(self.cipher().decrypt(&XNonce::from(*nonce), payload).ok()?);
        std::str::from_utf8(&opened).ok().map(|text| Zeroizing::new(text.to_owned()))
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(self.bytes.as_slice().try_into().expect("32 bytes are a key"))
    }
}

impl fmt::Debug for SecretsKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretsKey({})", self.id())
    }
}

/// Whose secret it is.
pub(super) struct Owner<'a> {
    pub(super) tenant: &'a TenantId,
    pub(super) applet: &'a AppletId,
    pub(super) name: &'a str,
}

impl Owner<'_> {
    /// Identities hold no NUL, so that no two owners give the same.
    fn bytes(&self) -> Vec<u8> {
        format!("belljar secret 1\0{}\0{}\0{}", self.tenant, self.applet, self.name).into_bytes()
    }
}

impl From<[u8; 32]> for SecretsKey {
    fn from(bytes: [u8; 32]) -> Self {
        Self { bytes: Arc::new(Zeroizing::new(bytes)) }
    }
}

#[cfg(test)]
mod tests {
    use belljar::System;
    use proptest::prelude::*;

    use super::*;

    const HEX: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

    fn ids() -> (TenantId, AppletId) {
        (TenantId::new("acme").expect("valid"), AppletId::new("shop").expect("valid"))
    }

    #[test]
    fn keys_are_read_in_every_spelling() {
        let key = SecretsKey::parse(HEX).expect("it is a key");
        for same in [" 000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F\n", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"] {
            assert_eq!(SecretsKey::parse(same).expect("it is a key").id(), key.id());
        }
        for bad in ["", "00", &HEX[..62], &format!("{HEX}00"), &HEX.replace('0', "g"), &HEX.replace("00", "+0")] {
            assert_eq!(SecretsKey::parse(bad).expect_err("it is none"), InvalidSecretsKey::Form);
        }
        assert!(!format!("{key:?}").contains("0102"), "{key:?}");
    }

    #[test]
    fn a_secret_opens_for_its_owner_and_key_only() {
        let (tenant, applet) = ids();
        let owner = Owner { tenant: &tenant, applet: &applet, name: "KEY" };
        let key = SecretsKey::parse(HEX).expect("it is a key");
        let sealed = key.seal(&owner, "text", &System);
        assert_eq!(key.open(&owner, &sealed).expect("it opens").as_str(), "text");
        assert_ne!(sealed, key.seal(&owner, "text", &System), "another nonce each time");
        let other = TenantId::new("other").expect("valid");
        assert!(key.open(&Owner { tenant: &other, ..owner }, &sealed).is_none());
        assert!(key.open(&Owner { name: "KEY2", ..owner }, &sealed).is_none());
        assert!(SecretsKey::parse(&HEX.replace("1f", "2f")).expect("a key").open(&owner, &sealed).is_none());
        for at in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[at] ^= 1;
            assert!(key.open(&owner, &damaged).is_none(), "byte {at}");
            assert!(key.open(&owner, &sealed[..at]).is_none(), "{at} bytes");
        }
    }

    proptest! {
        #[test]
        fn every_text_comes_back(text in ".{0,200}") {
            let (tenant, applet) = ids();
            let owner = Owner { tenant: &tenant, applet: &applet, name: "KEY" };
            let key = SecretsKey::parse(HEX).expect("it is a key");
            let opened = key.open(&owner, &key.seal(&owner, &text, &System)).expect("it opens");
            prop_assert_eq!(opened.as_str(), text);
        }
    }
}
