//! The key that secrets are encrypted with, and what it does: XChaCha20-Poly1305 with a nonce drawn at random for each text (192 bits, so
//! that none comes twice), bound to tenant, applet and name, so that a row put in another's place does not open.

use std::fmt;
use std::sync::Arc;

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

impl SecretsKey {
    /// What names the key without telling anything of it: 16 hexadecimal digits.
    pub fn id(&self) -> String {
        blake3::derive_key("belljar secrets key id, version 1", self.bytes.as_slice())[..8]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
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

    const BYTES: [u8; 32] = [0x5a; 32];

    fn ids() -> (TenantId, AppletId) {
        (TenantId::new("acme").expect("valid"), AppletId::new("shop").expect("valid"))
    }

    #[test]
    fn a_key_shows_its_id_only() {
        let key = SecretsKey::from(BYTES);
        assert_eq!(format!("{key:?}"), format!("SecretsKey({})", key.id()));
        assert!(!key.id().contains("5a5a"), "{key:?}");
        assert_ne!(key.id(), SecretsKey::from([0x5b; 32]).id());
    }

    #[test]
    fn a_secret_opens_for_its_owner_and_key_only() {
        let (tenant, applet) = ids();
        let owner = Owner { tenant: &tenant, applet: &applet, name: "KEY" };
        let key = SecretsKey::from(BYTES);
        let sealed = key.seal(&owner, "text", &System);
        assert_eq!(key.open(&owner, &sealed).expect("it opens").as_str(), "text");
        assert_ne!(sealed, key.seal(&owner, "text", &System), "another nonce each time");
        let other = TenantId::new("other").expect("valid");
        assert!(key.open(&Owner { tenant: &other, ..owner }, &sealed).is_none());
        assert!(key.open(&Owner { name: "KEY2", ..owner }, &sealed).is_none());
        assert!(SecretsKey::from([0x5b; 32]).open(&owner, &sealed).is_none());
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
            let key = SecretsKey::from(BYTES);
            let opened = key.open(&owner, &key.seal(&owner, &text, &System)).expect("it opens");
            prop_assert_eq!(opened.as_str(), text);
        }
    }
}
