//! The capability as its users see it: what is bounded, who can name which key, and answers that standards give. Wycheproof's vectors
//! go through the whole of Belljar (`tests/e2e/wycheproof.rs`).

use zeroize::Zeroizing;

use super::key::Material;
use super::*;
use crate::floor::limits::LimitHit;

const MIB: u64 = 1 << 20;

fn session(limits: CryptoLimits) -> CryptoSession {
    Crypto::new().session(limits, HostBytes::new(64 * MIB))
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal")).collect()
}

fn import(kind: KeyKind, format: KeyFormat, parts: &[&[u8]], extractable: bool) -> CryptoOperation {
    CryptoOperation::Import {
        kind,
        format,
        material: parts.iter().map(|part| Zeroizing::new(part.to_vec())).collect(),
        extractable,
    }
}

async fn key(session: &mut CryptoSession, operation: CryptoOperation) -> KeyDescription {
    match session.run(operation).await {
        Ok(CryptoReply::Key(key)) => key,
        other => panic!("no key: {other:?}"),
    }
}

fn generate(kind: KeyKind, bits: u32) -> CryptoOperation {
    CryptoOperation::Generate { kind, bits, extractable: false, random: Zeroizing::new(vec![7; GENERATE_RANDOM_BYTES]) }
}

async fn pair(session: &mut CryptoSession, kind: KeyKind, bits: u32) -> (u32, u32) {
    match session.run(generate(kind, bits)).await {
        Ok(CryptoReply::Pair(private, public)) => (private.number, public.number),
        other => panic!("no pair: {other:?}"),
    }
}

fn gcm(iv: &str, tag_bits: u32) -> Cipher {
    Cipher::Gcm { iv: hex(iv), additional_data: hex("feedfacedeadbeeffeedfacedeadbeefabaddad2"), tag_bits }
}

/// Test cases 4 to 6 of the GCM specification (McGrew and Viega): the same text under nonces of 96, 64 and 480 bits.
#[tokio::test]
async fn gcm_takes_nonces_and_tags_of_any_size() {
    let text = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39";
    let cases = [
        ("cafebabefacedbaddecaf888", "5bc94fbc3221a5db94fae95ae7121a47"),
        ("cafebabefacedbad", "3612d2e79e3b0785561be14aaca2fccb"),
        (
            "9313225df88406e555909c5aff5269aa6a7a9538534f7da1e4c303d2a318a728c3c0c95156809539fcf0e2429a6b525416aedbf5a0de6a57a637b39b",
            "619cc5aefffe0bfa462af43c1699d050",
        ),
    ];
    let mut session = session(CryptoLimits::default());
    let key =
        key(&mut session, import(KeyKind::Aes, KeyFormat::Raw, &[&hex("feffe9928665731c6d6a8f9467308308")], false))
            .await
            .number;
    for (iv, tag) in cases {
        for tag_bits in [128, 96, 32] {
            let sealed =
                session.run(CryptoOperation::Encrypt { key, cipher: gcm(iv, tag_bits), text: hex(text) }).await;
            let Ok(CryptoReply::Bytes(sealed)) = sealed else { panic!("{sealed:?}") };
            assert_eq!(sealed[text.len() / 2..], hex(tag)[..tag_bits as usize / 8], "{iv}, {tag_bits}");
            let opened =
                session.run(CryptoOperation::Decrypt { key, cipher: gcm(iv, tag_bits), text: sealed.clone() }).await;
            assert_eq!(opened, Ok(CryptoReply::Bytes(hex(text))));
            for at in [0, sealed.len() - 1] {
                let mut forged = sealed.clone();
                forged[at] ^= 1;
                let opened =
                    session.run(CryptoOperation::Decrypt { key, cipher: gcm(iv, tag_bits), text: forged }).await;
                assert!(matches!(opened, Err(CryptoError::Failed(_))), "{iv}, {tag_bits}, {at}: {opened:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_counter_starts_again_within_its_bits() {
    let mut session = session(CryptoLimits::default());
    let key = key(&mut session, import(KeyKind::Aes, KeyFormat::Raw, &[&[1; 16]], false)).await.number;
    let mut encrypt = async |counter: [u8; 16], counter_bits: u32, blocks: usize| {
        let cipher = Cipher::Ctr { counter: counter.to_vec(), counter_bits };
        session.run(CryptoOperation::Encrypt { key, cipher, text: vec![0; 16 * blocks] }).await
    };
    let stream = async |outcome: Result<CryptoReply, CryptoError>| match outcome {
        Ok(CryptoReply::Bytes(bytes)) => bytes,
        other => panic!("{other:?}"),
    };
    let mut counter = [0x55; 16];
    counter[15] = 0xff;
    let two = stream(encrypt(counter, 8, 2).await).await;
    counter[15] = 0;
    // The byte before the counter has not been counted up.
    assert_eq!(two[16..], stream(encrypt(counter, 8, 1).await).await);
    assert_ne!(two[..16], two[16..]);
    assert!(matches!(encrypt(counter, 8, 257).await, Err(CryptoError::Failed(_))));
    assert!(encrypt(counter, 8, 256).await.is_ok());
}

#[tokio::test]
async fn a_key_is_named_in_its_own_invocation_only() {
    let (mut one, mut other) = (session(CryptoLimits::default()), session(CryptoLimits::default()));
    let number = key(&mut one, import(KeyKind::Aes, KeyFormat::Raw, &[&[1; 16]], true)).await.number;
    let export = || CryptoOperation::Export { key: number, format: KeyFormat::Raw };
    assert_eq!(one.run(export()).await, Ok(CryptoReply::Bytes(vec![1; 16])));
    assert_eq!(other.run(export()).await, Err(CryptoError::NoKey));
    one.drop_key(number);
    assert_eq!(one.run(export()).await, Err(CryptoError::NoKey));
}

#[tokio::test]
async fn a_key_that_is_given_up_serves_what_has_begun() {
    let mut session = session(CryptoLimits::default());
    let number = key(&mut session, import(KeyKind::Aes, KeyFormat::Raw, &[&[1; 16]], true)).await.number;
    let exporting = session.run(CryptoOperation::Export { key: number, format: KeyFormat::Raw });
    session.drop_key(number);
    assert_eq!(exporting.await, Ok(CryptoReply::Bytes(vec![1; 16])));
}

#[tokio::test]
async fn what_is_not_extractable_stays() {
    let mut session = session(CryptoLimits::default());
    for kind in [KeyKind::P256, KeyKind::Ed25519, KeyKind::X25519] {
        let (private, public) = pair(&mut session, kind, 0).await;
        for format in [KeyFormat::Pkcs8, KeyFormat::Parts, KeyFormat::Raw, KeyFormat::Spki] {
            let exported = session.run(CryptoOperation::Export { key: private, format }).await;
            assert_eq!(exported, Err(CryptoError::NotExtractable), "{kind:?}, {format:?}");
        }
        assert!(session.run(CryptoOperation::Export { key: public, format: KeyFormat::Spki }).await.is_ok());
    }
}

#[tokio::test]
async fn keys_of_another_kind_are_refused() {
    let mut session = session(CryptoLimits::default());
    let aes = key(&mut session, import(KeyKind::Aes, KeyFormat::Raw, &[&[1; 16]], false)).await.number;
    let (ed_private, ed_public) = pair(&mut session, KeyKind::Ed25519, 0).await;
    let (x_private, x_public) = pair(&mut session, KeyKind::X25519, 0).await;
    let (p256, _) = pair(&mut session, KeyKind::P256, 0).await;
    let sign = |key, scheme| CryptoOperation::Sign { key, scheme, message: Vec::new() };
    let wrong = [
        sign(aes, Scheme::Ed25519),
        sign(ed_public, Scheme::Ed25519),
        sign(ed_private, Scheme::Ecdsa(Hash::Sha256)),
        sign(x_private, Scheme::Ed25519),
        CryptoOperation::Agree { private: ed_private, public: ed_public },
        CryptoOperation::Agree { private: p256, public: x_public },
        CryptoOperation::Agree { private: x_public, public: x_private },
        CryptoOperation::Encrypt { key: p256, cipher: Cipher::KeyWrap, text: vec![0; 16] },
        CryptoOperation::Encrypt {
            key: aes,
            cipher: Cipher::Oaep { hash: Hash::Sha256, label: Vec::new() },
            text: Vec::new(),
        },
    ];
    for operation in wrong {
        let what = format!("{operation:?}");
        assert_eq!(session.run(operation).await, Err(CryptoError::NoKey), "{what}");
    }
}

#[tokio::test]
async fn limits_are_told() {
    let limits = CryptoLimits { operations_max: 4, operation_bytes_max: 64, keys_max: 1, ..CryptoLimits::default() };
    let mut session = session(limits);
    let hit = |name, allowed, used| Err(CryptoError::Limit(LimitHit { name, allowed, used }));
    let aes = || import(KeyKind::Aes, KeyFormat::Raw, &[&[1; 16]], false);
    let number = key(&mut session, aes()).await.number;
    assert_eq!(session.run(aes()).await, hit("crypto.keys_max", 1, 2));
    assert_eq!(session.run(generate(KeyKind::Rsa, 16_384)).await, hit("crypto.rsa_generated_bits_max", 4_096, 16_384));
    let long = CryptoOperation::Encrypt { key: number, cipher: Cipher::KeyWrap, text: vec![0; 72] };
    assert_eq!(session.run(long).await, hit("crypto.operation_bytes_max", 64, 72));
    assert_eq!(session.run(aes()).await, hit("crypto.operations_max", 4, 5));
    assert_eq!(session.usage().operations, 5);
}

#[tokio::test]
async fn malformed_keys_are_refused() {
    let mut session = session(CryptoLimits::default());
    let kinds = [KeyKind::Rsa, KeyKind::P256, KeyKind::P384, KeyKind::P521, KeyKind::Ed25519, KeyKind::X25519];
    // Nothing, something short, the beginning of a long sequence, and a length that is not there.
    let ders: [&[u8]; 5] =
        [&[], &[0x30], &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff], &[0x30, 0x82, 0x01, 0x00, 0x02], &[0; 65]];
    for kind in kinds {
        for format in [KeyFormat::Pkcs8, KeyFormat::Spki, KeyFormat::Raw, KeyFormat::Parts] {
            for der in ders {
                let outcome = session.run(import(kind, format, &[der], true)).await;
                assert!(matches!(outcome, Err(CryptoError::Data(_))), "{kind:?} {format:?} {der:?}: {outcome:?}");
            }
            let outcome = session.run(import(kind, format, &[], true)).await;
            assert!(
                matches!(outcome, Err(CryptoError::Data(_) | CryptoError::Unsupported(_))),
                "{kind:?} {format:?}: {outcome:?}"
            );
        }
    }
    // (0, 0) is not on the curve; a point at infinity is none.
    for point in [[&[4][..], &[0; 64]].concat(), vec![0]] {
        assert!(matches!(
            session.run(import(KeyKind::P256, KeyFormat::Raw, &[&point], true)).await,
            Err(CryptoError::Data(_))
        ));
    }
    let small = [&[0x80; 128][..127], &[1]].concat();
    let outcome = session.run(import(KeyKind::Rsa, KeyFormat::Parts, &[&small, &[1, 0, 1]], true)).await;
    assert!(matches!(outcome, Err(CryptoError::Unsupported(_))), "{outcome:?}");
}

#[tokio::test]
async fn the_same_random_bytes_make_the_same_key() {
    let mut session = session(CryptoLimits::default());
    for (kind, bits) in
        [(KeyKind::P256, 0), (KeyKind::P384, 0), (KeyKind::P521, 0), (KeyKind::Ed25519, 0), (KeyKind::X25519, 0)]
    {
        let (_, first) = pair(&mut session, kind, bits).await;
        let (_, second) = pair(&mut session, kind, bits).await;
        let first = session.run(CryptoOperation::Export { key: first, format: KeyFormat::Raw }).await;
        assert_eq!(
            first,
            session.run(CryptoOperation::Export { key: second, format: KeyFormat::Raw }).await,
            "{kind:?}"
        );
        assert!(first.is_ok());
    }
}

/// A private and a public key of each kind, as others write them.
fn written(kind: KeyKind) -> [(KeyFormat, Vec<u8>); 2] {
    let material = Material::generate(kind, 2_048, &[7; GENERATE_RANDOM_BYTES]).expect("it can be generated");
    let public = material.public().expect("a public half");
    [(KeyFormat::Pkcs8, material), (KeyFormat::Spki, public)].map(|(format, material)| {
        match (key::Key { material, extractable: true }).export(format) {
            Ok(CryptoReply::Bytes(der)) => (format, der),
            other => panic!("{kind:?}: {other:?}"),
        }
    })
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 64, ..Default::default() })]

    /// What a stranger sends as a key is refused or is a key: it can be written and read again.
    #[test]
    fn a_damaged_key_is_refused_or_is_a_key(at in 0_usize..2_000, byte: u8, cut in 0_usize..2_000, longer: bool) {
        static WRITTEN: std::sync::OnceLock<Vec<(KeyKind, KeyFormat, Vec<u8>)>> = std::sync::OnceLock::new();
        let kinds = [KeyKind::Rsa, KeyKind::P256, KeyKind::P384, KeyKind::P521, KeyKind::Ed25519, KeyKind::X25519];
        let all = || kinds.into_iter().flat_map(|kind| written(kind).map(|(format, der)| (kind, format, der))).collect();
        for (kind, format, der) in WRITTEN.get_or_init(all) {
            let mut der = der.clone();
            let length = der.len();
            der[at % length] = byte;
            if cut % 4 == 0 {
                der.truncate(cut % length);
            }
            if longer {
                der.push(byte);
            }
            if let Ok(material) = Material::import(*kind, *format, &[Zeroizing::new(der)], 8_192) {
                let exported = (key::Key { material, extractable: true }).export(*format);
                let Ok(CryptoReply::Bytes(again)) = exported else { panic!("{kind:?} {format:?}: {exported:?}") };
                assert!(Material::import(*kind, *format, &[Zeroizing::new(again)], 8_192).is_ok(), "{kind:?} {format:?}");
            }
        }
    }
}
