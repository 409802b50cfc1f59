//! Wycheproof's vectors, through `crypto.subtle` in the sandbox: each file of an algorithm that is offered is one program, and each vector a
//! case. Vectors that are "acceptable" may go either way; which ones are left out, and why, is said by `wycheproof/check.js`.

use std::path::Path;

use serde::Deserialize;
use tokio::runtime::Runtime;

use crate::checkout::{Checkout, Corpus, files, name_in};
use crate::error::Error;
use crate::program::{self, End, Program};
use crate::report::{Case, Kind, State};
use crate::run::{Options, Watch};
use crate::sandbox::Sandbox;
use crate::workers;

const CHECK: &str = include_str!("wycheproof/check.js");
/// Wall clock of one file, milliseconds: some have thousands of signatures.
const DEADLINE_MS: u64 = 300_000;
const NOT_OFFERED: &str = "an algorithm, or a form of it, that crypto.subtle does not offer";

/// Files of algorithms that are offered, without the `_test.json` they end in.
pub const FILES: [&str; 63] = [
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

/// What a file says of itself; a few, of no one algorithm, say nothing.
#[derive(Debug, Deserialize)]
struct Head {
    #[serde(default = "several")]
    algorithm: String,
    #[serde(rename = "numberOfTests", default = "one")]
    tests: usize,
}

fn several() -> String {
    "several".into()
}

fn one() -> usize {
    1
}

/// What `check.js` prints of a file.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    checked: usize,
    /// How many, by reason.
    left_out: std::collections::BTreeMap<String, usize>,
    accepted_though_invalid: Vec<u64>,
    rejected_though_valid: Vec<u64>,
    /// Each with its number before it.
    unexpected_errors: Vec<String>,
}

pub(crate) fn run(
    checkout: &Checkout,
    sandbox: &Sandbox,
    options: &Options,
    watch: &Watch<'_>,
) -> Result<(String, Vec<Case>), Error> {
    let folder = checkout.folder.join("testvectors_v1");
    let mut paths = Vec::new();
    files(&folder, "_test.json", &mut paths)?;
    let paths: Vec<_> = paths.into_iter().filter(|path| options.takes(&name_in(&checkout.folder, path))).collect();
    watch.begin(paths.len());
    let work = |runtime: &mut Runtime, path: &std::path::PathBuf| {
        let name = name_in(&checkout.folder, path);
        let text = program::read(path);
        let cases = match &text {
            Ok(text) => cases(&name, text, sandbox, runtime, options),
            Err(error) => {
                vec![whole(&name, "unreadable", State::Failed(Kind::Unreadable, format!("it cannot be read: {error}")))]
            }
        };
        watch.saw(cases.iter().map(|case| &case.state));
        Ok((name, text.unwrap_or_default(), cases))
    };
    let threads = options.threads.unwrap_or_else(workers::cores);
    let done = workers::each(&paths, threads, crate::run::worker, work, &|done| watch.told(done))?;
    let mut corpus = Corpus::default();
    let mut cases = Vec::new();
    for (name, text, of_file) in done {
        corpus.add(&name, &text);
        cases.extend(of_file);
    }
    Ok((corpus.name(), cases))
}

fn cases(name: &str, text: &str, sandbox: &Sandbox, runtime: &Runtime, options: &Options) -> Vec<Case> {
    let head: Head = match serde_json::from_str(text) {
        Ok(head) => head,
        Err(error) => {
            let problem = format!("it is no file of vectors: {error}");
            return vec![whole(name, "unreadable", State::Failed(Kind::Unreadable, problem))];
        }
    };
    let stem = Path::new(name).file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    if !stem.strip_suffix("_test.json").is_some_and(|stem| FILES.contains(&stem)) {
        return vec![whole(name, &head.algorithm, State::Skipped(NOT_OFFERED.into())); head.tests];
    }
    let source = format!("const FILE = {text};\n{CHECK}");
    let program = Program { is_module: false, name: "wycheproof.js".into(), source, folder: "".into(), extra: None };
    let ran = sandbox.run(runtime, &program, options.bounds.limits(DEADLINE_MS));
    let summary: Option<Summary> = ran.lines.last().and_then(|line| serde_json::from_str(line).ok());
    let failed = |kind, what: String| vec![whole(name, &head.algorithm, State::Failed(kind, what))];
    match (ran.end, summary) {
        (End::Completed, Some(summary)) => of_summary(name, &head.algorithm, &summary),
        (End::Completed, None) => failed(Kind::Failed, "its check printed no summary".into()),
        (End::Threw(error, message), _) => failed(Kind::Failed, format!("{error}: {message}")),
        (End::Limit(which), _) => failed(Kind::Limit, format!("the limit of {which}")),
        (End::Crashed(what), _) => failed(Kind::Crash, what),
    }
}

/// A case for a file as a whole.
fn whole(name: &str, area: &str, state: State) -> Case {
    Case { area: area.to_owned(), test: name.to_owned(), subtest: String::new(), state }
}

fn of_summary(name: &str, area: &str, summary: &Summary) -> Vec<Case> {
    let case = |subtest: String, state| Case { area: area.to_owned(), test: name.to_owned(), subtest, state };
    // One that ends in an error of another kind counts as that alone.
    let mut wrong = std::collections::BTreeMap::new();
    for error in &summary.unexpected_errors {
        let (number, what) = error.split_once(": ").unwrap_or((error, ""));
        wrong.insert(number.to_owned(), what);
    }
    for number in &summary.accepted_though_invalid {
        wrong.entry(number.to_string()).or_insert("accepted, though it is invalid");
    }
    for number in &summary.rejected_though_valid {
        wrong.entry(number.to_string()).or_insert("refused, though it is valid");
    }
    let failed = |(number, what): (&String, &&str)| {
        case(format!("vector {number}"), State::Failed(Kind::Failed, (*what).to_owned()))
    };
    let mut cases: Vec<_> = wrong.iter().map(failed).collect();
    let passed = summary.checked.saturating_sub(cases.len());
    cases.extend((0..passed).map(|_| case(String::new(), State::Passed)));
    for (reason, count) in &summary.left_out {
        cases.extend((0..*count).map(|_| case(String::new(), State::Skipped(reason.clone()))));
    }
    cases
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkout::Suite;
    use crate::report::Report;

    #[test]
    fn a_summary_becomes_cases() {
        let json = r#"{"vectors":10,"checked":8,"leftOut":{"the hash SHA-3":2},"acceptedThoughInvalid":[3],"rejectedThoughValid":[5,7],
            "unexpectedErrors":["7: TypeError: no"]}"#;
        let summary: Summary = serde_json::from_str(json).expect("it is sound");
        let report = Report::new(Suite::Wycheproof, String::new(), String::new(), of_summary("f", "AES", &summary));
        let total = report.total();
        assert_eq!((total.passed, total.failed, total.skipped), (5, 3, 2));
        let mut failing: Vec<_> = report.failing.iter().map(|one| (one.subtest.as_str(), one.what.as_str())).collect();
        failing.sort_unstable();
        assert_eq!(
            failing,
            [
                ("vector 3", "accepted, though it is invalid"),
                ("vector 5", "refused, though it is valid"),
                ("vector 7", "TypeError: no")
            ]
        );
    }
}
