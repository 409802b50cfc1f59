//! What goes into an operation and what comes out of it, as plain values (`wit/crypto.wit` has the same).

use zeroize::Zeroizing;

use crate::floor::limits::LimitHit;

/// Names a key of one invocation.
pub type KeyNumber = u32;

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// Of 128, 192 or 256 bits.
    Aes,
    /// Of 2,048 to 8,192 bits.
    Rsa,
    /// A curve of FIPS 186.
    P256,
    /// As above.
    P384,
    /// As above.
    P521,
    /// Signatures of RFC 8032.
    Ed25519,
    /// Agreement of RFC 7748.
    X25519,
}

/// Which half.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyRole {
    /// A symmetric key.
    Secret,
    /// The half that is kept.
    Private,
    /// The half that is told.
    Public,
}

/// A hash of Web Cryptography.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hash {
    /// FIPS 180, as the others; for signatures it is only verified.
    Sha1,
    /// 32 bytes.
    Sha256,
    /// 48 bytes.
    Sha384,
    /// 64 bytes.
    Sha512,
}

/// How a key is written; `wit/crypto.wit` tells the order of the parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyFormat {
    /// The bytes of a secret or public key.
    Raw,
    /// A private key, RFC 5208.
    Pkcs8,
    /// A public key, RFC 5280.
    Spki,
    /// The numbers a key consists of.
    Parts,
}

/// What a key is, without its material.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyDescription {
    /// Its number.
    pub number: KeyNumber,
    /// Which half.
    pub role: KeyRole,
    /// Of an AES key or a modulus; else 0.
    pub bits: u32,
    /// Of RSA, big-endian; else empty.
    pub public_exponent: Vec<u8>,
}

/// A cipher and its parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cipher {
    /// NIST SP 800-38D.
    Gcm {
        /// Not empty.
        iv: Vec<u8>,
        /// What is authenticated only.
        additional_data: Vec<u8>,
        /// 32, 64, 96, 104, 112, 120 or 128.
        tag_bits: u32,
    },
    /// With the padding of RFC 5652, 6.3.
    Cbc {
        /// 16 bytes.
        iv: Vec<u8>,
    },
    /// NIST SP 800-38A, 6.5.
    Ctr {
        /// 16 bytes.
        counter: Vec<u8>,
        /// 1 to 128.
        counter_bits: u32,
    },
    /// RFC 3394.
    KeyWrap,
    /// RFC 8017, 7.1.
    Oaep {
        /// Of the label and of the mask.
        hash: Hash,
        /// Empty for none.
        label: Vec<u8>,
    },
}

/// A signature scheme and its parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// RFC 8017, 8.2.
    Pkcs1(Hash),
    /// RFC 8017, 8.1.
    Pss {
        /// Of the message and of the mask.
        hash: Hash,
        /// Length of the salt.
        salt_bytes: u32,
    },
    /// FIPS 186; signatures as r and s, each of the curve's length (IEEE P1363).
    Ecdsa(Hash),
    /// RFC 8032.
    Ed25519,
}

/// Something to compute.
#[derive(Debug)]
pub enum CryptoOperation {
    /// Takes a key in.
    Import {
        /// Of what kind it is to be.
        kind: KeyKind,
        /// How it is written.
        format: KeyFormat,
        /// One for all formats but `Parts`.
        material: Vec<Zeroizing<Vec<u8>>>,
        /// Whether it may be exported.
        extractable: bool,
    },
    /// Gives a key out.
    Export {
        /// The key.
        key: KeyNumber,
        /// How to write it.
        format: KeyFormat,
    },
    /// Makes a key.
    Generate {
        /// Of what kind.
        kind: KeyKind,
        /// Of AES and RSA.
        bits: u32,
        /// Of a secret or private key.
        extractable: bool,
        /// Random bytes: at least [`GENERATE_RANDOM_BYTES`], so that a source that repeats makes the same keys again. RSA does not use them.
        random: Zeroizing<Vec<u8>>,
    },
    /// Encrypts.
    Encrypt {
        /// The key.
        key: KeyNumber,
        /// How.
        cipher: Cipher,
        /// What.
        text: Vec<u8>,
    },
    /// Decrypts.
    Decrypt {
        /// The key.
        key: KeyNumber,
        /// How.
        cipher: Cipher,
        /// What.
        text: Vec<u8>,
    },
    /// Signs.
    Sign {
        /// A private key.
        key: KeyNumber,
        /// How.
        scheme: Scheme,
        /// What.
        message: Vec<u8>,
    },
    /// Verifies.
    Verify {
        /// A public key.
        key: KeyNumber,
        /// How.
        scheme: Scheme,
        /// By whom it claims to be.
        signature: Vec<u8>,
        /// What.
        message: Vec<u8>,
    },
    /// Agrees on a secret.
    Agree {
        /// Ours.
        private: KeyNumber,
        /// Theirs.
        public: KeyNumber,
    },
}

/// Random bytes that a key may need: four candidates for the largest curve.
pub(crate) const GENERATE_RANDOM_BYTES: usize = 4 * 66;

impl CryptoOperation {
    /// The keys it is done with, in order.
    pub(super) fn keys(&self) -> impl Iterator<Item = KeyNumber> + use<> {
        let (first, second) = match *self {
            Self::Import { .. } | Self::Generate { .. } => (None, None),
            Self::Agree { private, public } => (Some(private), Some(public)),
            Self::Export { key, .. }
            | Self::Encrypt { key, .. }
            | Self::Decrypt { key, .. }
            | Self::Sign { key, .. }
            | Self::Verify { key, .. } => (Some(key), None),
        };
        first.into_iter().chain(second)
    }

    /// Bytes that come with it.
    pub fn size_bytes(&self) -> u64 {
        let bytes = match self {
            Self::Import { material, .. } => material.iter().map(|part| part.len()).sum(),
            Self::Export { .. } | Self::Generate { .. } | Self::Agree { .. } => 0,
            Self::Encrypt { cipher, text, .. } | Self::Decrypt { cipher, text, .. } => text.len() + cipher.size_bytes(),
            Self::Sign { message, .. } => message.len(),
            Self::Verify { signature, message, .. } => signature.len() + message.len(),
        };
        bytes as u64
    }
}

impl Cipher {
    fn size_bytes(&self) -> usize {
        match self {
            Self::Gcm { iv, additional_data, .. } => iv.len() + additional_data.len(),
            Self::Cbc { iv } => iv.len(),
            Self::Ctr { counter, .. } => counter.len(),
            Self::KeyWrap => 0,
            Self::Oaep { label, .. } => label.len(),
        }
    }
}

/// What was computed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CryptoReply {
    /// A key is in the table.
    Key(KeyDescription),
    /// A private and a public key are.
    Pair(KeyDescription, KeyDescription),
    /// A text, a signature, a secret or a key.
    Bytes(Vec<u8>),
    /// A key in parts.
    Parts(Vec<Vec<u8>>),
    /// Whether a signature is valid.
    Verified(bool),
}

/// Why nothing was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CryptoError {
    /// No such key, or not one for this.
    NoKey,
    /// The key may not be exported.
    NotExtractable,
    /// The material is no such key.
    Data(String),
    /// Not offered.
    Unsupported(String),
    /// It did not succeed.
    Failed(String),
    /// A limit.
    Limit(LimitHit),
}

/// A hash by itself, as `wit/hashes.wit` has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashName {
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}
