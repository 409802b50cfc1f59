//! Digests and HMACs by the names that Node's crypto has for them. Of whole messages: JavaScript keeps what was given so far. The host computes
//! what it has (`wit/hashes.wit`); the rest is computed here.

use hmac::{Hmac, Mac, digest::Digest};
use md5::Md5;
use sha2::{Sha512_224, Sha512_256};

use crate::bindings::belljar::applet::hashes::{self, Algorithm};

/// The digest of a message, or with a key its HMAC (RFC 2104); `None` for a name that is not known. Names are in lower case.
pub(crate) fn digest(name: &str, message: &[u8], key: Option<&[u8]>) -> Option<Vec<u8>> {
    macro_rules! by {
        ($hash:ty) => {
            match key {
                None => <$hash>::digest(message).to_vec(),
                // A key may have any length.
                Some(key) => Hmac::<$hash>::new_from_slice(key).ok()?.chain_update(message).finalize().into_bytes().to_vec(),
            }
        };
    }
    let algorithm = match name {
        "sha256" => Algorithm::Sha256,
        "sha1" => Algorithm::Sha1,
        "sha512" => Algorithm::Sha512,
        "sha384" => Algorithm::Sha384,
        "sha224" => Algorithm::Sha224,
        "sha512-256" => return Some(by!(Sha512_256)),
        "sha512-224" => return Some(by!(Sha512_224)),
        "md5" => return Some(by!(Md5)),
        _ => return None,
    };
    Some(match key {
        None => hashes::digest(algorithm, message),
        Some(key) => hashes::hmac(algorithm, key, message),
    })
}
