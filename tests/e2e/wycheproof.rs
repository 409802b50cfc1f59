//! Wycheproof's vectors, through `crypto.subtle` in a sandbox. They are not in the repository: `BELLJAR_WYCHEPROOF` names a checkout of
//! C2SP/wycheproof, or there is one beside the repository; without either the test says so and checks nothing.

use std::path::PathBuf;

use belljar_tests::{cli, repository};
use serde_json::{Value, json};

/// Every file of an algorithm that is offered.
const FILES: [&str; 63] = [
    "aes_cbc_pkcs5",
    "aes_gcm",
    "aes_wrap",
    "ecdh_secp256r1",
    "ecdh_secp256r1_ecpoint",
    "ecdh_secp256r1_webcrypto",
    "ecdh_secp384r1",
    "ecdh_secp384r1_ecpoint",
    "ecdh_secp384r1_webcrypto",
    "ecdh_secp521r1",
    "ecdh_secp521r1_ecpoint",
    "ecdh_secp521r1_webcrypto",
    "ecdsa_secp256r1_sha256_p1363",
    "ecdsa_secp256r1_sha512_p1363",
    "ecdsa_secp384r1_sha384_p1363",
    "ecdsa_secp521r1_sha512_p1363",
    "ed25519",
    "hkdf_sha1",
    "hkdf_sha256",
    "hkdf_sha384",
    "hkdf_sha512",
    "hmac_sha1",
    "hmac_sha256",
    "hmac_sha384",
    "hmac_sha512",
    "pbkdf2_hmacsha1",
    "pbkdf2_hmacsha256",
    "pbkdf2_hmacsha384",
    "pbkdf2_hmacsha512",
    "rsa_oaep_2048_sha1_mgf1sha1",
    "rsa_oaep_2048_sha256_mgf1sha256",
    "rsa_oaep_2048_sha384_mgf1sha384",
    "rsa_oaep_2048_sha512_mgf1sha512",
    "rsa_oaep_3072_sha256_mgf1sha256",
    "rsa_oaep_3072_sha512_mgf1sha512",
    "rsa_oaep_4096_sha256_mgf1sha256",
    "rsa_oaep_4096_sha512_mgf1sha512",
    "rsa_oaep_misc",
    "rsa_pkcs1_2048_sig_gen",
    "rsa_pkcs1_3072_sig_gen",
    "rsa_pkcs1_4096_sig_gen",
    "rsa_pss_2048_sha256_mgf1_0",
    "rsa_pss_2048_sha256_mgf1_32",
    "rsa_pss_2048_sha384_mgf1_48",
    "rsa_pss_3072_sha256_mgf1_32",
    "rsa_pss_4096_sha256_mgf1_32",
    "rsa_pss_4096_sha384_mgf1_48",
    "rsa_pss_4096_sha512_mgf1_32",
    "rsa_pss_4096_sha512_mgf1_64",
    "rsa_pss_misc",
    "rsa_signature_2048_sha256",
    "rsa_signature_2048_sha384",
    "rsa_signature_2048_sha512",
    "rsa_signature_3072_sha256",
    "rsa_signature_3072_sha384",
    "rsa_signature_3072_sha512",
    "rsa_signature_4096_sha384",
    "rsa_signature_4096_sha512",
    "rsa_signature_8192_sha256",
    "rsa_signature_8192_sha384",
    "rsa_signature_8192_sha512",
    "x25519_asn",
    "x25519_jwk",
];

fn checkout() -> Option<PathBuf> {
    let named = std::env::var_os("BELLJAR_WYCHEPROOF").map(PathBuf::from);
    let beside = repository().parent().map(|parent| parent.join("wycheproof"));
    [named, beside].into_iter().flatten().map(|dir| dir.join("testvectors_v1")).find(|dir| dir.is_dir())
}

#[test]
fn no_invalid_vector_is_accepted_and_no_valid_one_refused() {
    let Some(vectors) = checkout() else {
        eprintln!("skipped: no checkout of C2SP/wycheproof beside the repository, and none in BELLJAR_WYCHEPROOF");
        return;
    };
    let check = std::fs::read_to_string(repository().join("tests/conformance/wycheproof.js")).unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let mut checked = 0;
    for file in FILES {
        let path = vectors.join(format!("{file}_test.json"));
        let json = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let script = scratch.path().join(format!("{file}.js"));
        std::fs::write(&script, format!("const FILE = {json};\n{check}")).unwrap();
        let script = script.to_str().unwrap();
        // Vectors are counted, not timed: limits far from what they need.
        let ran = cli::run(&[
            "eval",
            "--deadline-ms",
            "300000",
            "--fuel-max",
            "1000000000000",
            "--memory-mb",
            "256",
            "--script",
            script,
        ]);
        assert_eq!(ran.code, Some(0), "{file}: {ran:?}");
        let summary: Value = ran.json();
        for what in ["acceptedThoughInvalid", "rejectedThoughValid", "unexpectedErrors"] {
            assert_eq!(summary[what], json!([]), "{file}: {summary}");
        }
        eprintln!("{file}: {} of {} vectors; left out: {}", summary["checked"], summary["vectors"], summary["leftOut"]);
        assert_ne!(summary["checked"], 0, "{file}: {summary}");
        checked += summary["checked"].as_u64().unwrap();
    }
    eprintln!("{checked} vectors in all");
}
