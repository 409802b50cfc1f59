//! The machinery at work, without a checkout: this repository's own language tests in both engines, the WinterTC probe in the sandbox.

use std::process::Command;

#[test]
fn own_tests_pass_in_both_engines_and_the_wintertc_score_is_the_listed_one() {
    let run = |args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_belljar-compat")).args(args).output().expect("it starts");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, told) = run(&["own", "--sample", "1000000"]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("Belljar") && told.contains("100.00 %") && told.contains("wintertc"), "{told}");

    let (code, told) = run(&["own", "--only", "no such test"]);
    assert_eq!(code, Some(1), "nothing to run is no success: {told}");
}

#[test]
fn a_checkout_that_is_not_there_is_skipped_with_the_way_to_it() {
    let args = ["test262", "wpt", "--test262", "/nowhere", "--wpt", "/nowhere", "--sample", "1"];
    let output = Command::new(env!("CARGO_BIN_EXE_belljar-compat")).args(args).output().expect("it starts");
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{told}");
    for what in ["test262", "wpt"] {
        assert!(told.contains(&format!("skipped: {what} is not in /nowhere")), "{told}");
    }
    assert!(told.contains("git clone"), "{told}");
}
