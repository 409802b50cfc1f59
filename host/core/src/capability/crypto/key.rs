//! What a key is: its material, how it comes in, is made, and goes out. Every key in the table has been validated here.

use aws_lc_rs::agreement::{self, ParsedPublicKey, UnparsedPublicKey};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::{self, KeyPairComponents, KeySize, PublicKeyComponents};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use zeroize::Zeroizing;

use super::encoding::{self, Parts};
use super::value::{CryptoError, CryptoReply, KeyDescription, KeyFormat, KeyKind, KeyNumber, KeyRole};

/// Of an RSA key that is taken in. Smaller ones are not offered: aws-lc-rs does not sign with them, and nobody should.
const RSA_BITS_MIN: u32 = 2_048;
/// Bytes of a key of Ed25519 and X25519.
const SEED_BYTES: usize = 32;
/// The largest public exponent of an RSA key, bytes (as in aws-lc: 33 bits).
const EXPONENT_BYTES_MAX: usize = 5;

/// A key of an invocation.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) material: Material,
    pub(super) extractable: bool,
}

/// What is secret is wiped when it is dropped, and not shown.
pub(super) enum Material {
    Aes(Zeroizing<Vec<u8>>),
    RsaPublic(PublicKeyComponents<Vec<u8>>),
    RsaPrivate {
        pair: Box<rsa::KeyPair>,
        parts: Parts,
    },
    /// A curve of FIPS 186; the point is uncompressed.
    EcPublic {
        kind: KeyKind,
        point: Vec<u8>,
    },
    EcPrivate {
        kind: KeyKind,
        scalar: Zeroizing<Vec<u8>>,
        point: Vec<u8>,
    },
    /// Ed25519 or X25519.
    OctetPublic {
        kind: KeyKind,
        public: Vec<u8>,
    },
    OctetPrivate {
        kind: KeyKind,
        seed: Zeroizing<Vec<u8>>,
        public: Vec<u8>,
    },
}

impl std::fmt::Debug for Material {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.role() == KeyRole::Public { "public key" } else { "secret key" })
    }
}

fn data(what: impl Into<String>) -> CryptoError {
    CryptoError::Data(what.into())
}

fn internal(_: aws_lc_rs::error::Unspecified) -> CryptoError {
    CryptoError::Failed("the key cannot be written".into())
}

/// Of a curve of FIPS 186: aws-lc-rs's name, and the bytes of a coordinate.
pub(super) fn curve(kind: KeyKind) -> Option<(&'static agreement::Algorithm, usize)> {
    match kind {
        KeyKind::P256 => Some((&agreement::ECDH_P256, 32)),
        KeyKind::P384 => Some((&agreement::ECDH_P384, 48)),
        KeyKind::P521 => Some((&agreement::ECDH_P521, 66)),
        KeyKind::Aes | KeyKind::Rsa | KeyKind::Ed25519 | KeyKind::X25519 => None,
    }
}

impl Material {
    /// Takes a key in.
    ///
    /// # Errors
    /// `Data` when it is no valid key of this kind, `Unsupported` when it is one that is not offered.
    pub(super) fn import(
        kind: KeyKind,
        format: KeyFormat,
        given: &[Zeroizing<Vec<u8>>],
        rsa_bits_max: u32,
    ) -> Result<Self, CryptoError> {
        let whole = || match given {
            [whole] => Ok(whole),
            _ => Err(data("the key has too many parts")),
        };
        let is_parts = format == KeyFormat::Parts;
        match kind {
            KeyKind::Aes => {
                let bytes = whole()?;
                if format != KeyFormat::Raw || !matches!(bytes.len(), 16 | 24 | 32) {
                    return Err(data("an AES key has 128, 192 or 256 bits"));
                }
                Ok(Self::Aes(bytes.clone()))
            }
            KeyKind::Rsa => {
                let parts = match format {
                    KeyFormat::Pkcs8 => encoding::from_pkcs8(kind, whole()?)?,
                    KeyFormat::Spki => encoding::from_spki(kind, whole()?)?,
                    KeyFormat::Parts => given.iter().map(|part| Zeroizing::new(without_zeros(part).to_vec())).collect(),
                    KeyFormat::Raw => return Err(data("an RSA key has no raw form")),
                };
                rsa_key(parts, rsa_bits_max)
            }
            KeyKind::P256 | KeyKind::P384 | KeyKind::P521 => {
                let (_, length) = curve(kind).ok_or(CryptoError::NoKey)?;
                if is_parts && given.iter().any(|part| part.len() != length) {
                    return Err(data("a coordinate or the private key is not as long as the curve has it"));
                }
                match (format, given) {
                    (KeyFormat::Parts, [x, y]) => ec_public(kind, point(x, y)),
                    (KeyFormat::Parts, [x, y, d]) => ec_private(kind, d, Some(&point(x, y))),
                    (KeyFormat::Raw, [point]) => ec_public(kind, point.to_vec()),
                    (KeyFormat::Spki, [der]) => ec_public(kind, encoding::from_spki(kind, der)?.remove(0).to_vec()),
                    (KeyFormat::Pkcs8, [der]) => {
                        let parts = encoding::from_pkcs8(kind, der)?;
                        ec_private(kind, &parts[0], parts.get(1).map(|point| point.as_slice()))
                    }
                    _ => Err(data("the key has too few or too many parts")),
                }
            }
            KeyKind::Ed25519 | KeyKind::X25519 => match (format, given) {
                (KeyFormat::Parts | KeyFormat::Raw, [public]) => octet_public(kind, public),
                (KeyFormat::Parts, [public, seed]) => octet_private(kind, seed, Some(public)),
                (KeyFormat::Spki, [der]) => octet_public(kind, &encoding::from_spki(kind, der)?[0]),
                (KeyFormat::Pkcs8, [der]) => {
                    let parts = encoding::from_pkcs8(kind, der)?;
                    octet_private(kind, &parts[0], parts.get(1).map(|public| public.as_slice()))
                }
                _ => Err(data("the key has too few or too many parts")),
            },
        }
    }

    /// Makes a secret or private key, of random bytes but for RSA, which aws-lc-rs makes of its own.
    pub(super) fn generate(kind: KeyKind, bits: u32, random: &[u8]) -> Result<Self, CryptoError> {
        let failed = |what: &str| CryptoError::Failed(what.into());
        match kind {
            KeyKind::Aes => match bits {
                128 | 192 | 256 => Ok(Self::Aes(Zeroizing::new(random[..bits as usize / 8].to_vec()))),
                _ => Err(failed("an AES key has 128, 192 or 256 bits")),
            },
            KeyKind::Rsa => {
                let size = match bits {
                    2_048 => KeySize::Rsa2048,
                    3_072 => KeySize::Rsa3072,
                    4_096 => KeySize::Rsa4096,
                    8_192 => KeySize::Rsa8192,
                    _ => return Err(failed("an RSA key that is generated has 2048, 3072 or 4096 bits")),
                };
                let pair = rsa::KeyPair::generate(size).map_err(|_| failed("the key cannot be generated"))?;
                let der = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).map_err(internal)?;
                let parts = encoding::rsa_parts(der.as_ref())?;
                Ok(Self::RsaPrivate { pair: Box::new(pair), parts })
            }
            KeyKind::P256 | KeyKind::P384 | KeyKind::P521 => {
                let (_, length) = curve(kind).ok_or(CryptoError::NoKey)?;
                // FIPS 186-5, A.2.2: candidates are drawn until one is below the group's order, which nearly every first one is.
                let keys = random.chunks_exact(length).map(|candidate| {
                    let mut scalar = Zeroizing::new(candidate.to_vec());
                    if kind == KeyKind::P521 {
                        scalar[0] &= 1;
                    }
                    ec_private(kind, &scalar, None)
                });
                keys.into_iter().find_map(Result::ok).ok_or_else(|| failed("the key cannot be generated"))
            }
            KeyKind::Ed25519 | KeyKind::X25519 => octet_private(kind, &random[..SEED_BYTES], None),
        }
    }

    /// The public half of a private key.
    pub(super) fn public(&self) -> Option<Self> {
        match self {
            Self::RsaPrivate { parts, .. } => {
                Some(Self::RsaPublic(PublicKeyComponents { n: parts[0].to_vec(), e: parts[1].to_vec() }))
            }
            Self::EcPrivate { kind, point, .. } => Some(Self::EcPublic { kind: *kind, point: point.clone() }),
            Self::OctetPrivate { kind, public, .. } => Some(Self::OctetPublic { kind: *kind, public: public.clone() }),
            _ => None,
        }
    }

    pub(super) fn role(&self) -> KeyRole {
        match self {
            Self::Aes(_) => KeyRole::Secret,
            Self::RsaPrivate { .. } | Self::EcPrivate { .. } | Self::OctetPrivate { .. } => KeyRole::Private,
            Self::RsaPublic(_) | Self::EcPublic { .. } | Self::OctetPublic { .. } => KeyRole::Public,
        }
    }

    /// Bytes the host holds for it, about.
    pub(super) fn size_bytes(&self) -> u64 {
        let bytes = match self {
            Self::Aes(bytes) => bytes.len(),
            Self::RsaPublic(key) => key.n.len() + key.e.len(),
            // Once here, once in aws-lc's own form.
            Self::RsaPrivate { parts, .. } => 2 * parts.iter().map(|part| part.len()).sum::<usize>(),
            Self::EcPublic { point, .. } => point.len(),
            Self::EcPrivate { scalar, point, .. } => scalar.len() + point.len(),
            Self::OctetPublic { public, .. } => public.len(),
            Self::OctetPrivate { seed, public, .. } => seed.len() + public.len(),
        };
        bytes as u64
    }
}

impl Key {
    pub(super) fn describe(&self, number: KeyNumber) -> KeyDescription {
        let (bits, public_exponent) = match &self.material {
            Material::Aes(bytes) => (bytes.len() as u32 * 8, Vec::new()),
            Material::RsaPublic(key) => (bits(&key.n), key.e.clone()),
            Material::RsaPrivate { parts, .. } => (bits(&parts[0]), parts[1].to_vec()),
            _ => (0, Vec::new()),
        };
        KeyDescription { number, role: self.material.role(), bits, public_exponent }
    }

    /// Writes a key. That it may be written has been asked before.
    pub(super) fn export(&self, format: KeyFormat) -> Result<CryptoReply, CryptoError> {
        let has_no = || CryptoError::Unsupported("a key of this kind has no such form".into());
        let bytes = match (&self.material, format) {
            (Material::Aes(bytes), KeyFormat::Raw) => bytes.to_vec(),
            (Material::RsaPublic(key), KeyFormat::Spki) => {
                AsDer::<PublicKeyX509Der<'_>>::as_der(key).map_err(internal)?.as_ref().to_vec()
            }
            (Material::RsaPrivate { pair, .. }, KeyFormat::Pkcs8) => {
                AsDer::<Pkcs8V1Der<'_>>::as_der(&**pair).map_err(internal)?.as_ref().to_vec()
            }
            (Material::EcPublic { point: public, .. } | Material::OctetPublic { public, .. }, KeyFormat::Raw) => {
                public.clone()
            }
            (Material::EcPublic { kind, point: public } | Material::OctetPublic { kind, public }, KeyFormat::Spki) => {
                encoding::to_spki(*kind, public)?
            }
            (
                Material::EcPrivate { kind, scalar: private, point: public }
                | Material::OctetPrivate { kind, seed: private, public },
                KeyFormat::Pkcs8,
            ) => encoding::to_pkcs8(*kind, private, public)?,
            (material, KeyFormat::Parts) => return material.parts().map(CryptoReply::Parts).ok_or_else(has_no),
            _ => return Err(has_no()),
        };
        Ok(CryptoReply::Bytes(bytes))
    }
}

impl Material {
    fn parts(&self) -> Option<Vec<Vec<u8>>> {
        Some(match self {
            Self::Aes(_) => return None,
            Self::RsaPublic(key) => vec![key.n.clone(), key.e.clone()],
            Self::RsaPrivate { parts, .. } => parts.iter().map(|part| part.to_vec()).collect(),
            Self::EcPublic { point, .. } => coordinates(point),
            Self::EcPrivate { scalar, point, .. } => {
                let mut parts = coordinates(point);
                parts.push(scalar.to_vec());
                parts
            }
            Self::OctetPublic { public, .. } => vec![public.clone()],
            Self::OctetPrivate { seed, public, .. } => vec![public.clone(), seed.to_vec()],
        })
    }
}

fn without_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|&&byte| byte == 0).count();
    &number[zeros..]
}

fn bits(number: &[u8]) -> u32 {
    number.first().map_or(0, |first| number.len() as u32 * 8 - first.leading_zeros())
}

fn rsa_key(parts: Parts, bits_max: u32) -> Result<Material, CryptoError> {
    let [n, e, rest @ ..] = parts.as_slice() else { return Err(data("an RSA key has a modulus and an exponent")) };
    let size = bits(n);
    if size < RSA_BITS_MIN || size > bits_max {
        return Err(CryptoError::Unsupported(format!(
            "an RSA key has {RSA_BITS_MIN} to {bits_max} bits here, this one has {size}"
        )));
    }
    let is_odd = |number: &[u8]| number.last().is_some_and(|last| last & 1 == 1);
    if !is_odd(n) || !is_odd(e) || e.len() > EXPONENT_BYTES_MAX || e.as_slice() == [1] {
        return Err(data("the modulus or the public exponent of the RSA key is not valid"));
    }
    let public_key = PublicKeyComponents { n: n.to_vec(), e: e.to_vec() };
    let [d, p, q, d_p, d_q, q_inv] = rest else {
        return if rest.is_empty() {
            Ok(Material::RsaPublic(public_key))
        } else {
            Err(data("an RSA private key has eight parts"))
        };
    };
    let components = KeyPairComponents {
        public_key,
        d: d.as_slice(),
        p: p.as_slice(),
        q: q.as_slice(),
        dP: d_p.as_slice(),
        dQ: d_q.as_slice(),
        qInv: q_inv.as_slice(),
    };
    let pair =
        rsa::KeyPair::from_components(&components).map_err(|_| data("the parts of the RSA key do not fit together"))?;
    Ok(Material::RsaPrivate { pair: Box::new(pair), parts })
}

fn point(x: &[u8], y: &[u8]) -> Vec<u8> {
    [&[4], x, y].concat()
}

fn coordinates(point: &[u8]) -> Vec<Vec<u8>> {
    let (x, y) = point[1..].split_at(point.len() / 2);
    vec![x.to_vec(), y.to_vec()]
}

fn ec_public(kind: KeyKind, point: Vec<u8>) -> Result<Material, CryptoError> {
    let (algorithm, length) = curve(kind).ok_or(CryptoError::NoKey)?;
    if point.len() != 1 + 2 * length || point[0] != 4 {
        return Err(data("the point is not an uncompressed one of this curve"));
    }
    ParsedPublicKey::try_from(UnparsedPublicKey::new(algorithm, &point))
        .map_err(|_| data("the point is not on the curve"))?;
    Ok(Material::EcPublic { kind, point })
}

fn ec_private(kind: KeyKind, scalar: &[u8], expected: Option<&[u8]>) -> Result<Material, CryptoError> {
    let (algorithm, _) = curve(kind).ok_or(CryptoError::NoKey)?;
    let invalid = || data("the private key is not one of this curve");
    let private = agreement::PrivateKey::from_private_key(algorithm, scalar).map_err(|_| invalid())?;
    let point = private.compute_public_key().map_err(|_| invalid())?.as_ref().to_vec();
    if expected.is_some_and(|expected| expected != point) {
        return Err(data("the public key does not belong to the private key"));
    }
    Ok(Material::EcPrivate { kind, scalar: Zeroizing::new(scalar.to_vec()), point })
}

fn octet_public(kind: KeyKind, public: &[u8]) -> Result<Material, CryptoError> {
    if public.len() != SEED_BYTES {
        return Err(data("a public key of this algorithm has 32 bytes"));
    }
    Ok(Material::OctetPublic { kind, public: public.to_vec() })
}

fn octet_private(kind: KeyKind, seed: &[u8], expected: Option<&[u8]>) -> Result<Material, CryptoError> {
    let invalid = || data("a private key of this algorithm has 32 bytes");
    if seed.len() != SEED_BYTES {
        return Err(invalid());
    }
    let public = match kind {
        KeyKind::Ed25519 => {
            Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| invalid())?.public_key().as_ref().to_vec()
        }
        _ => {
            let private = agreement::PrivateKey::from_private_key(&agreement::X25519, seed).map_err(|_| invalid())?;
            private.compute_public_key().map_err(|_| invalid())?.as_ref().to_vec()
        }
    };
    if expected.is_some_and(|expected| expected != public) {
        return Err(data("the public key does not belong to the private key"));
    }
    Ok(Material::OctetPrivate { kind, seed: Zeroizing::new(seed.to_vec()), public })
}
