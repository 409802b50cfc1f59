//! How keys are written: pkcs8 (RFC 5208, 5915, 8017, 8410) and spki (RFC 5280, 5480, 8410). Which keys are valid is not its affair.

use pkcs1::{RsaPrivateKeyRef, RsaPublicKeyRef};
use pkcs8::der::asn1::{BitStringRef, OctetString, OctetStringRef, UintRef};
use pkcs8::der::{AnyRef, Decode, Encode};
use pkcs8::spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};
use pkcs8::{ObjectIdentifier, PrivateKeyInfoRef};
use sec1::EcPrivateKey;
use zeroize::Zeroizing;

use super::value::{CryptoError, KeyKind};

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const P521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");
const X25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.110");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

pub(super) type Parts = Vec<Zeroizing<Vec<u8>>>;

fn malformed(error: impl std::fmt::Display) -> CryptoError {
    CryptoError::Data(format!("the key is not well-formed: {error}"))
}

fn other_kind() -> CryptoError {
    CryptoError::Data("the key is for another algorithm or curve".into())
}

fn part(bytes: &[u8]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(bytes.to_vec())
}

/// The curve's identifier, where the algorithm's own does not tell it.
fn curve(kind: KeyKind) -> Option<ObjectIdentifier> {
    match kind {
        KeyKind::P256 => Some(P256),
        KeyKind::P384 => Some(P384),
        KeyKind::P521 => Some(P521),
        KeyKind::Aes | KeyKind::Rsa | KeyKind::Ed25519 | KeyKind::X25519 => None,
    }
}

fn check_algorithm(kind: KeyKind, algorithm: &AlgorithmIdentifierRef<'_>) -> Result<(), CryptoError> {
    let is_right = match kind {
        KeyKind::Aes => false,
        // RFC 3279, 2.3.1: NULL; some writers leave it out.
        KeyKind::Rsa => algorithm.oid == RSA && algorithm.parameters.is_none_or(|p| p.is_null()),
        KeyKind::P256 | KeyKind::P384 | KeyKind::P521 => {
            algorithm.oid == EC && algorithm.parameters_oid().ok().is_some_and(|oid| Some(oid) == curve(kind))
        }
        // RFC 8410, 3: no parameters.
        KeyKind::Ed25519 => algorithm.oid == ED25519 && algorithm.parameters.is_none(),
        KeyKind::X25519 => algorithm.oid == X25519 && algorithm.parameters.is_none(),
    };
    if is_right { Ok(()) } else { Err(other_kind()) }
}

/// RSA: all eight parts. Curves: the private key, and the public key if it is there.
pub(super) fn from_pkcs8(kind: KeyKind, der: &[u8]) -> Result<Parts, CryptoError> {
    let info = PrivateKeyInfoRef::try_from(der).map_err(malformed)?;
    check_algorithm(kind, &info.algorithm)?;
    let inner = info.private_key.as_bytes();
    match kind {
        KeyKind::Rsa => rsa_private(inner),
        KeyKind::Ed25519 | KeyKind::X25519 => {
            let seed = <&OctetStringRef>::from_der(inner).map_err(malformed)?;
            let public = info.public_key.and_then(|bits| bits.as_bytes());
            Ok([Some(seed.as_bytes()), public].into_iter().flatten().map(part).collect())
        }
        _ => {
            let key = EcPrivateKey::from_der(inner).map_err(malformed)?;
            let named = key.parameters.as_ref().and_then(|parameters| parameters.named_curve());
            if key.parameters.is_some() && named != curve(kind) {
                return Err(other_kind());
            }
            Ok([Some(key.private_key), key.public_key].into_iter().flatten().map(part).collect())
        }
    }
}

/// All eight parts of an RSAPrivateKey (RFC 8017, A.1.2).
fn rsa_private(der: &[u8]) -> Result<Parts, CryptoError> {
    let key = RsaPrivateKeyRef::from_der(der).map_err(malformed)?;
    if key.other_prime_infos.is_some() {
        return Err(CryptoError::Unsupported("RSA keys have two primes here".into()));
    }
    let parts: [&UintRef<'_>; 8] = [
        &key.modulus,
        &key.public_exponent,
        &key.private_exponent,
        &key.prime1,
        &key.prime2,
        &key.exponent1,
        &key.exponent2,
        &key.coefficient,
    ];
    Ok(parts.iter().map(|number| part(number.as_bytes())).collect())
}

/// RSA: modulus and exponent. Others: the public key's bytes.
pub(super) fn from_spki(kind: KeyKind, der: &[u8]) -> Result<Parts, CryptoError> {
    let info = SubjectPublicKeyInfoRef::try_from(der).map_err(malformed)?;
    check_algorithm(kind, &info.algorithm)?;
    let inner = info.subject_public_key.as_bytes().ok_or_else(|| malformed("the bit string is not of whole bytes"))?;
    if kind != KeyKind::Rsa {
        return Ok(vec![part(inner)]);
    }
    let key = RsaPublicKeyRef::from_der(inner).map_err(malformed)?;
    Ok(vec![part(key.modulus.as_bytes()), part(key.public_exponent.as_bytes())])
}

/// A SubjectPublicKeyInfo around the bytes of a public key on a curve.
pub(super) fn to_spki(kind: KeyKind, public: &[u8]) -> Result<Vec<u8>, CryptoError> {
    let curve = curve(kind);
    let info = SubjectPublicKeyInfoRef {
        algorithm: algorithm(kind, curve.as_ref()),
        subject_public_key: BitStringRef::from_bytes(public).map_err(malformed)?,
    };
    info.to_der().map_err(malformed)
}

/// A PrivateKeyInfo around a private key on a curve; that of a curve of FIPS 186 holds its public key as well, as others write it.
pub(super) fn to_pkcs8(kind: KeyKind, private: &[u8], public: &[u8]) -> Result<Vec<u8>, CryptoError> {
    let curve = curve(kind);
    let inner = match curve {
        Some(_) => EcPrivateKey { private_key: private, parameters: None, public_key: Some(public) }.to_der(),
        None => OctetString::new(private).and_then(|seed| seed.to_der()),
    };
    let inner = Zeroizing::new(inner.map_err(malformed)?);
    let inner = OctetStringRef::new(&inner).map_err(malformed)?;
    PrivateKeyInfoRef::new(algorithm(kind, curve.as_ref()), inner).to_der().map_err(malformed)
}

fn algorithm(kind: KeyKind, curve: Option<&ObjectIdentifier>) -> AlgorithmIdentifierRef<'_> {
    let oid = match kind {
        KeyKind::Ed25519 => ED25519,
        KeyKind::X25519 => X25519,
        _ => EC,
    };
    AlgorithmIdentifierRef { oid, parameters: curve.map(AnyRef::from) }
}

/// The parts of an RSA key that aws-lc-rs has written as pkcs8.
pub(super) fn rsa_parts(pkcs8: &[u8]) -> Result<Parts, CryptoError> {
    from_pkcs8(KeyKind::Rsa, pkcs8)
}
