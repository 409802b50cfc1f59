//! Signatures, RSA-OAEP and key agreement, with keys that are in the table.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use aws_lc_rs::agreement::{self, UnparsedPublicKey as PeerKey};
use aws_lc_rs::digest::{self, Digest};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{
    OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OAEP_SHA384_MGF1SHA384, OAEP_SHA512_MGF1SHA512, OaepAlgorithm,
    OaepPrivateDecryptingKey, OaepPublicEncryptingKey, PrivateDecryptingKey, PublicEncryptingKey, RsaParameters,
    RsaPssSaltLength,
};
use aws_lc_rs::signature::{
    self, ED25519, EcdsaKeyPair, EcdsaSigningAlgorithm, EcdsaVerificationAlgorithm, Ed25519KeyPair,
    RsaSignatureEncoding, UnparsedPublicKey,
};

use super::key::{Material, curve};
use super::value::{Cipher, CryptoError, Hash, KeyKind, Scheme};

fn failed(what: &str) -> CryptoError {
    CryptoError::Failed(what.into())
}

fn hash_algorithm(hash: Hash) -> &'static digest::Algorithm {
    match hash {
        Hash::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
        Hash::Sha256 => &digest::SHA256,
        Hash::Sha384 => &digest::SHA384,
        Hash::Sha512 => &digest::SHA512,
    }
}

pub(super) fn sign(key: &Material, scheme: Scheme, message: &[u8]) -> Result<Vec<u8>, CryptoError> {
    match (key, scheme) {
        (Material::RsaPrivate { pair, .. }, Scheme::Pkcs1(_) | Scheme::Pss { .. }) => {
            let encoding = match scheme {
                Scheme::Pss { hash, salt_bytes } => pss_encoding(hash, salt_bytes)?,
                Scheme::Pkcs1(hash) => pkcs1_encoding(hash)?,
                Scheme::Ecdsa(_) | Scheme::Ed25519 => return Err(CryptoError::NoKey),
            };
            let mut signature = vec![0; pair.public_modulus_len()];
            let signed = pair.sign(encoding, &SystemRandom::new(), message, &mut signature);
            signed.map_err(|_| failed("the message cannot be signed: the salt may be too long for the key"))?;
            Ok(signature)
        }
        (Material::EcPrivate { kind, scalar, point }, Scheme::Ecdsa(hash)) => {
            let (algorithm, _, _) = ecdsa(*kind)?;
            let key = EcdsaKeyPair::from_private_key_and_public_key(algorithm, scalar, point)
                .map_err(|_| failed("the key is not valid"))?;
            let signature = key
                .sign_digest(&ecdsa_digest(*kind, hash, message)?)
                .map_err(|_| failed("the message cannot be signed"))?;
            Ok(signature.as_ref().to_vec())
        }
        (Material::OctetPrivate { kind: KeyKind::Ed25519, seed, public }, Scheme::Ed25519) => {
            let key =
                Ed25519KeyPair::from_seed_and_public_key(seed, public).map_err(|_| failed("the key is not valid"))?;
            Ok(key.try_sign(message).map_err(|_| failed("the message cannot be signed"))?.as_ref().to_vec())
        }
        _ => Err(CryptoError::NoKey),
    }
}

pub(super) fn verify(key: &Material, scheme: Scheme, given: &[u8], message: &[u8]) -> Result<bool, CryptoError> {
    match (key, scheme) {
        (Material::RsaPublic(key), Scheme::Pkcs1(hash)) => {
            let parameters = match hash {
                Hash::Sha1 => &signature::RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
                Hash::Sha256 => &signature::RSA_PKCS1_2048_8192_SHA256,
                Hash::Sha384 => &signature::RSA_PKCS1_2048_8192_SHA384,
                Hash::Sha512 => &signature::RSA_PKCS1_2048_8192_SHA512,
            };
            Ok(key.verify(parameters, message, given).is_ok())
        }
        (Material::RsaPublic(key), Scheme::Pss { hash, salt_bytes }) => {
            let salt = RsaPssSaltLength::Custom(pss_salt(salt_bytes)?);
            let parameters: RsaParameters = match hash {
                Hash::Sha1 => return Err(pss_sha1()),
                Hash::Sha256 => signature::RSA_PSS_2048_8192_SHA256,
                Hash::Sha384 => signature::RSA_PSS_2048_8192_SHA384,
                Hash::Sha512 => signature::RSA_PSS_2048_8192_SHA512,
            };
            Ok(key.verify(&parameters.with_pss_salt_length(salt), message, given).is_ok())
        }
        (Material::EcPublic { kind, point }, Scheme::Ecdsa(hash)) => {
            let (_, algorithm, _) = ecdsa(*kind)?;
            Ok(UnparsedPublicKey::new(algorithm, point)
                .verify_digest(&ecdsa_digest(*kind, hash, message)?, given)
                .is_ok())
        }
        (Material::OctetPublic { kind: KeyKind::Ed25519, public }, Scheme::Ed25519) => {
            Ok(UnparsedPublicKey::new(&ED25519, public).verify(message, given).is_ok())
        }
        _ => Err(CryptoError::NoKey),
    }
}

fn pkcs1_encoding(hash: Hash) -> Result<&'static RsaSignatureEncoding, CryptoError> {
    match hash {
        Hash::Sha1 => Err(CryptoError::Unsupported(
            "RSASSA-PKCS1-v1_5 does not sign with SHA-1 here (it verifies): use SHA-256 or larger".into(),
        )),
        Hash::Sha256 => Ok(&signature::RSA_PKCS1_SHA256),
        Hash::Sha384 => Ok(&signature::RSA_PKCS1_SHA384),
        Hash::Sha512 => Ok(&signature::RSA_PKCS1_SHA512),
    }
}

fn pss_sha1() -> CryptoError {
    CryptoError::Unsupported("RSA-PSS has no SHA-1 here: use SHA-256 or larger".into())
}

/// No key here is so large that a salt could be longer.
const SALT_BYTES_MAX: u32 = 1_024;

fn pss_salt(bytes: u32) -> Result<u16, CryptoError> {
    let bounded = u16::try_from(bytes).ok().filter(|_| bytes <= SALT_BYTES_MAX);
    bounded.ok_or_else(|| failed("the salt is longer than any key allows"))
}

/// aws-lc-rs signs by encodings that live for ever: one is made for each length of salt that is asked for (at most 1,025 for each of three
/// hashes), and kept.
fn pss_encoding(hash: Hash, salt_bytes: u32) -> Result<&'static RsaSignatureEncoding, CryptoError> {
    static KEPT: Mutex<Option<HashMap<(u8, u16), &'static RsaSignatureEncoding>>> = Mutex::new(None);
    let salt = pss_salt(salt_bytes)?;
    let (number, encoding) = match hash {
        Hash::Sha1 => return Err(pss_sha1()),
        Hash::Sha256 => (0, signature::RSA_PSS_SHA256),
        Hash::Sha384 => (1, signature::RSA_PSS_SHA384),
        Hash::Sha512 => (2, signature::RSA_PSS_SHA512),
    };
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    let make = || &*Box::leak(Box::new(encoding.with_pss_salt_length(RsaPssSaltLength::Custom(salt))));
    Ok(kept.get_or_insert_default().entry((number, salt)).or_insert_with(make))
}

type Ecdsa = (&'static EcdsaSigningAlgorithm, &'static EcdsaVerificationAlgorithm, &'static digest::Algorithm);

fn ecdsa(kind: KeyKind) -> Result<Ecdsa, CryptoError> {
    match kind {
        KeyKind::P256 => {
            Ok((&signature::ECDSA_P256_SHA256_FIXED_SIGNING, &signature::ECDSA_P256_SHA256_FIXED, &digest::SHA256))
        }
        KeyKind::P384 => {
            Ok((&signature::ECDSA_P384_SHA384_FIXED_SIGNING, &signature::ECDSA_P384_SHA384_FIXED, &digest::SHA384))
        }
        KeyKind::P521 => {
            Ok((&signature::ECDSA_P521_SHA512_FIXED_SIGNING, &signature::ECDSA_P521_SHA512_FIXED, &digest::SHA512))
        }
        _ => Err(CryptoError::NoKey),
    }
}

/// aws-lc-rs has one hash for each curve. ECDSA takes of a hash its leftmost bits, as many as the group's order has, as a number (FIPS
/// 186-5, 6.4.1): so a longer one is cut, and a shorter one gets zeros in front, to the length of the curve's hash, and the number is the
/// same.
fn ecdsa_digest(kind: KeyKind, hash: Hash, message: &[u8]) -> Result<Digest, CryptoError> {
    let (_, _, native) = ecdsa(kind)?;
    let digest = digest::digest(hash_algorithm(hash), message);
    let given = digest.as_ref();
    let mut number = vec![0; native.output_len()];
    let length = given.len().min(number.len());
    let at = number.len() - length;
    number[at..].copy_from_slice(&given[..length]);
    Digest::import_less_safe(&number, native).map_err(|_| failed("the hash is not valid"))
}

fn oaep(cipher: &Cipher) -> Result<(&'static OaepAlgorithm, Option<&[u8]>), CryptoError> {
    let Cipher::Oaep { hash, label } = cipher else { return Err(CryptoError::NoKey) };
    let algorithm = match hash {
        Hash::Sha1 => &OAEP_SHA1_MGF1SHA1,
        Hash::Sha256 => &OAEP_SHA256_MGF1SHA256,
        Hash::Sha384 => &OAEP_SHA384_MGF1SHA384,
        Hash::Sha512 => &OAEP_SHA512_MGF1SHA512,
    };
    Ok((algorithm, (!label.is_empty()).then_some(label.as_slice())))
}

pub(super) fn encrypt(key: &Material, cipher: &Cipher, text: &[u8]) -> Result<Vec<u8>, CryptoError> {
    let Material::RsaPublic(key) = key else { return Err(CryptoError::NoKey) };
    let (algorithm, label) = oaep(cipher)?;
    let cannot = |_| failed("the text is too long for the key");
    let key: PublicEncryptingKey = key.clone().try_into().map_err(cannot)?;
    let key = OaepPublicEncryptingKey::new(key).map_err(cannot)?;
    let mut encrypted = vec![0; key.ciphertext_size()];
    let length = key.encrypt(algorithm, text, &mut encrypted, label).map_err(cannot)?.len();
    encrypted.truncate(length);
    Ok(encrypted)
}

pub(super) fn decrypt(key: &Material, cipher: &Cipher, text: &[u8]) -> Result<Vec<u8>, CryptoError> {
    let Material::RsaPrivate { pair, .. } = key else { return Err(CryptoError::NoKey) };
    let (algorithm, label) = oaep(cipher)?;
    // One answer for all that can be wrong: which it was must not be told (RFC 8017, 7.1.2).
    let cannot = || failed("the text cannot be decrypted");
    let der = AsDer::<Pkcs8V1Der<'_>>::as_der(&**pair).map_err(|_| cannot())?;
    let key = PrivateDecryptingKey::from_pkcs8(der.as_ref()).map_err(|_| cannot())?;
    let key = OaepPrivateDecryptingKey::new(key).map_err(|_| cannot())?;
    if text.len() != key.key_size_bytes() {
        return Err(cannot());
    }
    let mut decrypted = vec![0; key.min_output_size()];
    let length = key.decrypt(algorithm, text, &mut decrypted, label).map_err(|_| cannot())?.len();
    decrypted.truncate(length);
    Ok(decrypted)
}

/// The shared secret: the x coordinate, or the u of X25519, which must not be zero (RFC 7748, 6.1).
pub(super) fn agree(private: &Material, public: &Material) -> Result<Vec<u8>, CryptoError> {
    let (algorithm, own, peer) = match (private, public) {
        (Material::EcPrivate { kind, scalar, .. }, Material::EcPublic { kind: other, point }) if kind == other => {
            (curve(*kind).ok_or(CryptoError::NoKey)?.0, scalar, point)
        }
        (
            Material::OctetPrivate { kind: KeyKind::X25519, seed, .. },
            Material::OctetPublic { kind: KeyKind::X25519, public },
        ) => (&agreement::X25519, seed, public),
        _ => return Err(CryptoError::NoKey),
    };
    let cannot = || failed("no secret can be agreed on with this public key");
    let own = agreement::PrivateKey::from_private_key(algorithm, own).map_err(|_| cannot())?;
    agreement::agree(&own, PeerKey::new(algorithm, peer), cannot(), |secret| Ok(secret.to_vec()))
}
