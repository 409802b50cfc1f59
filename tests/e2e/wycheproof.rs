//! Wycheproof's vectors, through `crypto.subtle` in a sandbox. They are not in the repository: `BELLJAR_WYCHEPROOF` names a checkout of
//! C2SP/wycheproof, or there is one beside the repository; without either the test says so and checks nothing.

use std::path::PathBuf;

use belljar_tests::{cli, repository};
use serde_json::json;

fn checkout() -> Option<PathBuf> {
    let named = std::env::var_os("BELLJAR_WYCHEPROOF").map(PathBuf::from);
    let beside = repository().parent().map(|parent| parent.join("wycheproof"));
    [named, beside].into_iter().flatten().find(|dir| dir.join("testvectors_v1").is_dir())
}

#[test]
fn no_invalid_vector_is_accepted_and_no_valid_one_refused() {
    let Some(checkout) = checkout() else {
        eprintln!("skipped: no checkout of C2SP/wycheproof beside the repository, and none in BELLJAR_WYCHEPROOF");
        return;
    };
    let ran = cli::run(&["conformance", "wycheproof", checkout.to_str().unwrap(), "--json"]);
    let report = ran.json();
    assert_eq!((ran.code, &report["failing"]), (Some(0), &json!([])), "{}", ran.stderr);
    // Every file that is offered is there, and has vectors that are checked.
    let passed = report["total"]["passed"].as_u64().unwrap();
    assert!(passed > 10_000, "{}", report["areas"]);
    eprintln!("{passed} vectors pass; left out: {}", report["skipped"]);
}
