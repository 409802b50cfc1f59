//! Digests and HMACs by the names that Node's crypto has for them. Of whole messages: JavaScript keeps what was given so far.

use hmac::{Hmac, Mac, digest::Digest};
use md5::Md5;
use sha1::Sha1;
use sha2::{Sha224, Sha256, Sha384, Sha512, Sha512_224, Sha512_256};

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
    Some(match name {
        "md5" => by!(Md5),
        "sha1" => by!(Sha1),
        "sha224" => by!(Sha224),
        "sha256" => by!(Sha256),
        "sha384" => by!(Sha384),
        "sha512" => by!(Sha512),
        "sha512-224" => by!(Sha512_224),
        "sha512-256" => by!(Sha512_256),
        _ => return None,
    })
}
