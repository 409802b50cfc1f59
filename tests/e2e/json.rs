//! JSON and the text of numbers have quick paths of our own in the engine (guest-js/engine/c/quickjs.insertions). What they answer is
//! compared with what QuickJS's general paths answer to the same values.

use belljar_tests::cli;

#[test]
fn the_quick_paths_of_json_agree_with_the_general_ones() {
    let script = belljar_tests::repository().join("tests/e2e/json.js");
    let ran = cli::run(&["eval", "--deadline-ms", "120000", "--script", script.to_str().unwrap()]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "agreed\n"), "{ran:?}");
}
