//! Cryptography for the web platform: keys and ciphers of the host (`wit/crypto.wit`), and derivations that are computed here.

use hmac::Hmac;
use javy::quickjs::{Array, Ctx, Exception, Object, Result, Value, prelude::Func};
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};

use crate::bindings::belljar::applet::completions::{CryptoError, CryptoReply};
use crate::bindings::belljar::applet::crypto;
use crate::native::open;
use crate::values::{self, Bytes, Limit, Text};

const WHAT: &str = "a key of crypto.subtle that the host keeps (all but HMAC, PBKDF2 and HKDF)";

/// In the order of wit/crypto.wit; guest-js/web/src/crypto/host.ts has the numbers.
const KINDS: [crypto::Kind; 7] = [
    crypto::Kind::Aes,
    crypto::Kind::Rsa,
    crypto::Kind::P256,
    crypto::Kind::P384,
    crypto::Kind::P521,
    crypto::Kind::Ed25519,
    crypto::Kind::X25519,
];
const FORMATS: [crypto::Format; 4] =
    [crypto::Format::Raw, crypto::Format::Pkcs8, crypto::Format::Spki, crypto::Format::Parts];
const HASHES: [crypto::Hash; 4] =
    [crypto::Hash::Sha1, crypto::Hash::Sha256, crypto::Hash::Sha384, crypto::Hash::Sha512];

/// Adds the functions to the `Native` object.
pub(crate) fn set(native: &Object<'_>) -> Result<()> {
    native.set("cryptoImport", Func::from(import_key))?;
    native.set("cryptoExport", Func::from(|key: u32, format: usize| crypto::export_key(key, FORMATS[format])))?;
    native.set("cryptoGenerate", Func::from(generate_key))?;
    native.set("cryptoDrop", Func::from(crypto::drop_key))?;
    native.set("cryptoCipher", Func::from(cipher))?;
    native.set(
        "cryptoSign",
        Func::from(|key: u32, name: u32, hash: usize, salt: u32, message: Bytes| {
            crypto::sign(key, scheme(name, hash, salt), &message.0)
        }),
    )?;
    native.set(
        "cryptoVerify",
        Func::from(|key: u32, name: u32, hash: usize, salt: u32, signature: Bytes, message: Bytes| {
            crypto::verify(key, scheme(name, hash, salt), &signature.0, &message.0)
        }),
    )?;
    native.set("cryptoAgree", Func::from(crypto::agree))?;
    native.set("pbkdf2", Func::from(pbkdf2))?;
    native.set("hkdf", Func::from(hkdf))
}

fn import_key(ctx: Ctx<'_>, kind: usize, format: usize, material: Vec<Bytes>, extractable: bool) -> Result<u32> {
    open(&ctx, WHAT)?;
    let material: Vec<_> = material.into_iter().map(|part| part.0).collect();
    Ok(crypto::import_key(KINDS[kind], FORMATS[format], &material, extractable))
}

fn generate_key(ctx: Ctx<'_>, kind: usize, bits: u32, extractable: bool) -> Result<u32> {
    open(&ctx, WHAT)?;
    Ok(crypto::generate_key(KINDS[kind], bits, extractable))
}

/// A cipher by its case in wit/crypto.wit. `number` is the length of the tag or the counter in bits, or the hash; `first` the iv, the
/// counter or the label.
fn cipher(
    ctx: Ctx<'_>,
    key: u32,
    decrypts: bool,
    name: u32,
    number: u32,
    given: Vec<Bytes>,
    text: Bytes,
) -> Result<u32> {
    let mut given = given.into_iter().map(|bytes| bytes.0);
    let mut next = || given.next().unwrap_or_default();
    let cipher = match name {
        0 => crypto::Cipher::Gcm(crypto::Gcm { iv: next(), additional_data: next(), tag_bits: number }),
        1 => crypto::Cipher::Cbc(next()),
        2 => crypto::Cipher::Ctr(crypto::Ctr { counter: next(), counter_bits: number }),
        3 => crypto::Cipher::KeyWrap,
        4 => crypto::Cipher::Oaep(crypto::Oaep { hash: HASHES[number as usize], label: next() }),
        _ => return Err(Exception::throw_type(&ctx, "there is no such cipher")),
    };
    Ok(if decrypts { crypto::decrypt(key, &cipher, &text.0) } else { crypto::encrypt(key, &cipher, &text.0) })
}

fn scheme(name: u32, hash: usize, salt_bytes: u32) -> crypto::Scheme {
    match name {
        0 => crypto::Scheme::Pkcs1(HASHES[hash]),
        1 => crypto::Scheme::Pss(crypto::Pss { hash: HASHES[hash], salt_bytes }),
        2 => crypto::Scheme::Ecdsa(HASHES[hash]),
        _ => crypto::Scheme::Ed25519,
    }
}

/// RFC 8018, 5.2, by the name of a hash as in `hash`; undefined for one that is not known.
fn pbkdf2<'js>(
    ctx: Ctx<'js>,
    name: Text,
    password: Bytes,
    salt: Bytes,
    iterations: u32,
    length: usize,
) -> Result<Value<'js>> {
    let mut derived = vec![0; length];
    // The only error is a key of a wrong length, which HMAC does not have.
    let derive = match name.0.as_str() {
        "md5" => ::pbkdf2::pbkdf2::<Hmac<md5::Md5>>,
        "sha1" => ::pbkdf2::pbkdf2::<Hmac<Sha1>>,
        "sha224" => ::pbkdf2::pbkdf2::<Hmac<sha2::Sha224>>,
        "sha256" => ::pbkdf2::pbkdf2::<Hmac<Sha256>>,
        "sha384" => ::pbkdf2::pbkdf2::<Hmac<Sha384>>,
        "sha512" => ::pbkdf2::pbkdf2::<Hmac<Sha512>>,
        "sha512-224" => ::pbkdf2::pbkdf2::<Hmac<sha2::Sha512_224>>,
        "sha512-256" => ::pbkdf2::pbkdf2::<Hmac<sha2::Sha512_256>>,
        _ => return Ok(Value::new_undefined(ctx)),
    };
    match derive(&password.0, &salt.0, iterations, &mut derived) {
        Ok(()) => values::uint8_array(&ctx, &derived),
        Err(_) => Ok(Value::new_undefined(ctx)),
    }
}

/// 255 times the largest hash.
const HKDF_BYTES_MAX: usize = 255 * 64;

/// RFC 5869, by the name of a hash; undefined for one that is not known, and for more bytes than 255 times the hash's.
fn hkdf<'js>(ctx: Ctx<'js>, name: Text, key: Bytes, salt: Bytes, info: Bytes, length: usize) -> Result<Value<'js>> {
    if length > HKDF_BYTES_MAX {
        return Ok(Value::new_undefined(ctx));
    }
    let mut derived = vec![0; length];
    macro_rules! by {
        ($hash:ty) => {
            ::hkdf::Hkdf::<$hash>::new(Some(&salt.0), &key.0).expand(&info.0, &mut derived).is_ok()
        };
    }
    let is_derived = match name.0.as_str() {
        "md5" => by!(md5::Md5),
        "sha1" => by!(Sha1),
        "sha224" => by!(sha2::Sha224),
        "sha256" => by!(Sha256),
        "sha384" => by!(Sha384),
        "sha512" => by!(Sha512),
        "sha512-224" => by!(sha2::Sha512_224),
        "sha512-256" => by!(sha2::Sha512_256),
        _ => false,
    };
    if is_derived { values::uint8_array(&ctx, &derived) } else { Ok(Value::new_undefined(ctx)) }
}

fn key<'js>(ctx: &Ctx<'js>, key: crypto::Key) -> Result<Object<'js>> {
    let object = Object::new(ctx.clone())?;
    object.set("id", key.id)?;
    object.set(
        "role",
        match key.role {
            crypto::Role::Secret => "secret",
            crypto::Role::Private => "private",
            crypto::Role::Public => "public",
        },
    )?;
    object.set("bits", key.bits)?;
    object.set("publicExponent", values::uint8_array(ctx, &key.public_exponent)?)?;
    Ok(object)
}

/// The `Outcome` of guest-js/web/src/bindings.ts.
pub(crate) fn reply<'js>(ctx: &Ctx<'js>, reply: CryptoReply) -> Result<Object<'js>> {
    let object = Object::new(ctx.clone())?;
    match reply {
        CryptoReply::Key(one) => {
            object.set("kind", "key")?;
            object.set("key", key(ctx, one)?)?;
        }
        CryptoReply::Pair((private, public)) => {
            object.set("kind", "pair")?;
            object.set("privateKey", key(ctx, private)?)?;
            object.set("publicKey", key(ctx, public)?)?;
        }
        CryptoReply::Bytes(bytes) => {
            object.set("kind", "bytes")?;
            object.set("bytes", values::uint8_array(ctx, &bytes)?)?;
        }
        CryptoReply::Parts(parts) => {
            object.set("kind", "parts")?;
            let list = Array::new(ctx.clone())?;
            for (i, part) in parts.iter().enumerate() {
                list.set(i, values::uint8_array(ctx, part)?)?;
            }
            object.set("parts", list)?;
        }
        CryptoReply::Verified(is_valid) => {
            object.set("kind", "verified")?;
            object.set("isValid", is_valid)?;
        }
    }
    Ok(object)
}

pub(crate) fn error(error: CryptoError) -> (&'static str, String, Limit) {
    match error {
        CryptoError::NoKey => ("no-key", "the key is not there, or is for something else".into(), None),
        CryptoError::NotExtractable => ("not-extractable", "the key is not extractable".into(), None),
        CryptoError::Data(message) => ("data", message, None),
        CryptoError::Unsupported(message) => ("unsupported", message, None),
        CryptoError::Failed(message) => ("failed", message, None),
        CryptoError::Limit(hit) => {
            ("limit", values::over(&hit.limit, hit.allowed, hit.used), Some((hit.limit, hit.allowed, hit.used)))
        }
    }
}
