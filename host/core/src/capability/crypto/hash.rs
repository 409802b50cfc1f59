//! Digests and HMACs of whole messages: pure, and quick enough to be answered at once. The engine charges for them.

use aws_lc_rs::{digest, hmac};

use super::value::HashName;

fn digest_of(name: HashName) -> &'static digest::Algorithm {
    match name {
        HashName::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
        HashName::Sha224 => &digest::SHA224,
        HashName::Sha256 => &digest::SHA256,
        HashName::Sha384 => &digest::SHA384,
        HashName::Sha512 => &digest::SHA512,
    }
}

fn hmac_of(name: HashName) -> hmac::Algorithm {
    match name {
        HashName::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        HashName::Sha224 => hmac::HMAC_SHA224,
        HashName::Sha256 => hmac::HMAC_SHA256,
        HashName::Sha384 => hmac::HMAC_SHA384,
        HashName::Sha512 => hmac::HMAC_SHA512,
    }
}

/// The digest of a message (FIPS 180-4).
pub fn digest(name: HashName, message: &[u8]) -> Vec<u8> {
    digest::digest(digest_of(name), message).as_ref().to_vec()
}

/// The HMAC of a message (RFC 2104), with a key of any length.
pub fn hmac(name: HashName, key: &[u8], message: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac_of(name), key), message).as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn known_answers() {
        // FIPS 180-4's own example, and RFC 4231's second test case (and that of RFC 2202 for SHA-1).
        for (name, of_abc, of_jefe) in [
            (HashName::Sha1, "a9993e36", "effcdf6a"),
            (HashName::Sha224, "23097d22", "a30e0109"),
            (HashName::Sha256, "ba7816bf", "5bdcc146"),
            (HashName::Sha384, "cb00753f", "af45d2e3"),
            (HashName::Sha512, "ddaf35a1", "164b7a7b"),
        ] {
            assert_eq!(&hex(&digest(name, b"abc"))[..8], of_abc, "{name:?}");
            assert_eq!(&hex(&hmac(name, b"Jefe", b"what do ya want for nothing?"))[..8], of_jefe, "{name:?}");
        }
        // Keys longer than a block, and empty ones.
        assert_eq!(hmac(HashName::Sha256, &[0xaa; 131], b"").len(), 32);
        assert_eq!(hmac(HashName::Sha512, b"", b"").len(), 64);
    }
}
