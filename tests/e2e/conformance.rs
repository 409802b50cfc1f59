//! `belljar conformance`, on small suites of our own in the form of the real ones: what passes, what fails in which way, what is skipped.

use std::collections::BTreeMap;
use std::path::Path;

use belljar_tests::{cli, repository};
use serde_json::{Value, json};
use tempfile::TempDir;

/// What a test of these suites may take: far more than they need, and soon burnt by one that does not end.
const FUEL_MAX: &str = "400000000";

fn write(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn run(suite: &str, folder: &Path, more: &[&str]) -> cli::Ran {
    cli::run(&[&["conformance", suite, folder.to_str().unwrap(), "--fuel-max", FUEL_MAX], more].concat())
}

/// `test` and `test :: subtest` by kind of failure.
fn failing(report: &Value) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let name = |one: &Value| match text(&one["subtest"]) {
        subtest if subtest.is_empty() => text(&one["test"]),
        subtest => format!("{} :: {subtest}", text(&one["test"])),
    };
    report["failing"].as_array().unwrap().iter().map(|one| (name(one), text(&one["kind"]))).collect()
}

/// A suite in the form of test262, with the harness of this repository's own tests.
fn test262() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in ["assert.js", "sta.js", "doneprintHandle.js"] {
        let text = std::fs::read_to_string(repository().join("tests/conformance/own/harness").join(file)).unwrap();
        write(folder.path(), &format!("harness/{file}"), &text);
    }
    write(folder.path(), "harness/three.js", "function three() { return 3; }");
    for (name, matter, body) in [
        ("passes", "", "assert.sameValue(1 + 1, 2);"),
        ("fails", "", "assert.sameValue(1 + 1, 3);"),
        // Sloppy it passes, strict it does not: then it does not pass.
        ("fails-strict", "", "undeclared = 1;"),
        ("only-sloppy", "flags: [noStrict]", "undeclared = 1; assert.sameValue(undeclared, 1);"),
        ("negative-parse", "negative: {phase: parse, type: SyntaxError}", "let let;"),
        ("negative-other", "negative: {phase: runtime, type: TypeError}", "throw new RangeError();"),
        ("negative-nothing", "negative: {phase: runtime, type: TypeError}", "1;"),
        ("async", "flags: [async]", "Promise.resolve().then(function () { $DONE(); });"),
        ("async-fails", "flags: [async]", "Promise.reject(new Error('no')).then($DONE, $DONE);"),
        ("async-silent", "flags: [async]", "1;"),
        ("module", "flags: [module]", "import { two } from './dep_FIXTURE.js'; assert.sameValue(two, 2);"),
        ("includes", "includes: [three.js]", "assert.sameValue(three(), 3);"),
        ("includes-nothing", "includes: [nowhere.js]", "1;"),
        ("raw", "flags: [raw]", "if (typeof assert !== 'undefined') throw new Error('something stands before it');"),
        ("skipped", "features: [Temporal]", "Temporal.Now.instant();"),
        ("realm", "", "$262.createRealm();"),
        ("endless", "flags: [noStrict]", "for (;;) ;"),
        ("malformed", "flags: [", "1;"),
    ] {
        write(
            folder.path(),
            &format!("test/language/{name}.js"),
            &format!("/*---\ndescription: {name}\n{matter}\n---*/\n{body}\n"),
        );
    }
    write(folder.path(), "test/language/dep_FIXTURE.js", "export const two = 2;");
    write(folder.path(), "test/built-ins/Map/get.js", "assert.sameValue(new Map([[1, 2]]).get(1), 2);");
    // Not run: it is about all of Intl.
    write(folder.path(), "test/intl402/a.js", "throw 1;");
    folder
}

#[test]
fn test262_is_judged_as_it_asks_for() {
    let suite = test262();
    let ran = run("test262", suite.path(), &["--json"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let report = ran.json();
    let expected = [
        ("fails", "failed"),
        ("fails-strict", "failed"),
        ("negative-other", "failed"),
        ("negative-nothing", "failed"),
        ("async-fails", "failed"),
        ("async-silent", "failed"),
        ("includes-nothing", "unreadable"),
        ("endless", "limit"),
        ("malformed", "unreadable"),
    ];
    assert_eq!(failing(&report), expected.map(|(name, kind)| (format!("language/{name}.js"), kind.to_owned())).into());
    assert_eq!(report["areas"]["language"], json!({ "passed": 7, "failed": 9, "skipped": 2 }));
    assert_eq!(report["areas"]["built-ins/Map"], json!({ "passed": 1, "failed": 0, "skipped": 0 }));
    assert_eq!(report["total"], json!({ "passed": 8, "failed": 9, "skipped": 2 }));
    assert_eq!(report["skipped"], json!({ "feature Temporal": 1, "needs $262.createRealm of a host": 1 }));
    assert_eq!(report["engine"].as_str().map(str::len), Some(64), "{report}");

    // The same for people; and in another order of the work.
    let shown = run("test262", suite.path(), &["--threads", "1"]);
    assert_eq!(shown.code, Some(1));
    for text in [
        "language",
        "47.05 %",
        "1 ended by a limit",
        "language/fails-strict.js  (strict) ReferenceError",
        "harness/nowhere.js",
    ] {
        assert!(shown.stdout.contains(text), "{text}: {}", shown.stdout);
    }
    let part = run("test262", suite.path(), &["--json", "--filter", "Map/", "--filter", "language/raw"]);
    assert_eq!(
        (part.code, &part.json()["total"]),
        (Some(0), &json!({ "passed": 2, "failed": 0, "skipped": 0 })),
        "{part:?}"
    );
}

#[test]
fn what_is_expected_to_fail_is_told_from_what_is_new() {
    let suite = test262();
    let list = suite.path().join("expected.json");
    let list = list.to_str().unwrap();
    let missing = run("test262", suite.path(), &["--expectations", list]);
    assert_eq!(missing.code, Some(2), "{missing:?}");
    let written = run("test262", suite.path(), &["--expectations", list, "--write-expectations"]);
    assert_eq!(written.code, Some(0), "{written:?}");
    assert!(written.stderr.contains("wrote 9 expected failures"), "{written:?}");
    let same = run("test262", suite.path(), &["--expectations", list]);
    assert_eq!(same.code, Some(0), "{same:?}");
    assert!(same.stdout.contains("9 fail as expected, 0 are new"), "{same:?}");

    // Somebody gives a reason; one is mended, another one breaks.
    let text = std::fs::read_to_string(list).unwrap();
    let reasoned =
        text.replace(r#"{"test":"language/endless.js"}"#, r#"{"test":"language/endless.js","reason":"it has no end"}"#);
    assert_ne!(text, reasoned);
    std::fs::write(list, reasoned).unwrap();
    write(suite.path(), "test/language/fails.js", "assert.sameValue(1, 1);");
    write(suite.path(), "test/language/passes.js", "assert.sameValue(1, 2);");
    let other = run("test262", suite.path(), &["--expectations", list, "--json"]);
    assert_eq!(other.code, Some(1), "{other:?}");
    let compared = &other.json()["comparison"];
    assert_eq!(compared["regressions"][0]["test"], "language/passes.js", "{compared}");
    assert_eq!(compared["fixed"], json!([{ "test": "language/fails.js" }]));
    assert_eq!(compared["as_expected"], 8);
    // Of a part, what is not in it is not held against it.
    let part = run("test262", suite.path(), &["--expectations", list, "--json", "--filter", "Map/"]);
    assert_eq!((part.code, &part.json()["comparison"]["fixed"]), (Some(0), &json!([])), "{part:?}");
    assert_eq!(run("test262", suite.path(), &["--expectations", list, "--write-expectations"]).code, Some(0));
    assert!(std::fs::read_to_string(list).unwrap().contains("it has no end"), "reasons are kept");
}

/// A little of what testharness.js offers, for the suite below.
const TESTHARNESS: &str = "(function (global) {
  var results = [], completions = [], tests = [], open = 0, ended = false;
  function tell(name, status, message) { var t = { name: name, status: status, message: message }; tests.push(t); results.forEach((f) => f(t)); }
  function end() { if (open === 0 && !ended) { ended = true; completions.forEach((f) => f(tests, { status: 0, message: null })); } }
  global.setup = function () {};
  global.add_result_callback = (f) => results.push(f);
  global.add_completion_callback = (f) => completions.push(f);
  global.test = (body, name) => { try { body(); tell(name, 0, null); } catch (e) { tell(name, 1, e.message); } };
  global.promise_test = (body, name) => {
    open++;
    Promise.resolve().then(body).then(() => tell(name, 0, null), (e) => tell(name, 1, e.message)).then(() => { open--; end(); });
  };
  global.assert_equals = (one, other) => { if (one !== other) throw new Error(one + ' is not ' + other); };
  setTimeout(end, 0);
})(globalThis);";

fn wpt() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("resources/testharness.js", TESTHARNESS),
        ("common/two.js", "function two() { return 2; }"),
        ("url/resources/data.json", "[1, 2]"),
        ("url/passes.any.js", "test(() => assert_equals(new URL('https://a/b').pathname, '/b'), 'a path');"),
        ("url/fails.any.js", "test(() => assert_equals(1, 2), 'one is two'); test(() => {}, 'nothing');"),
        ("url/later.any.js", "promise_test(() => new Promise((r) => setTimeout(r, 5)), 'later');"),
        (
            "url/variants.any.js",
            "// META: variant=?a\n// META: variant=?b\ntest(() => assert_equals(location.search, '?a'), 'which');",
        ),
        ("url/script.any.js", "// META: script=/common/two.js\ntest(() => assert_equals(two(), 2), 'two');"),
        (
            "url/data.any.js",
            "promise_test(async () => assert_equals((await (await fetch('resources/data.json')).json()).length, 2), 'data');",
        ),
        ("url/names.sub.any.js", "test(() => {}, '{{host}}');"),
        ("url/worker.any.js", "// META: global=serviceworker\ntest(() => {}, 'worker');"),
        ("encoding/throws.any.js", "test(() => {}, 'before'); throw new TypeError('it goes wrong');"),
        ("encoding/endless.any.js", "test(() => {}, 'before'); for (;;) ;"),
        ("encoding/unsettled.any.js", "promise_test(() => new Promise(() => {}), 'never');"),
        ("elsewhere/a.any.js", "throw 1;"),
        ("url/window.html", "<!doctype html>"),
    ] {
        write(folder.path(), name, text);
    }
    folder
}

#[test]
fn web_platform_tests_are_counted_by_subtest() {
    let suite = wpt();
    let ran = run("wpt", suite.path(), &["--json"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let report = ran.json();
    let expected = [
        ("encoding/endless.any.js", "limit"),
        ("encoding/throws.any.js", "failed"),
        ("encoding/unsettled.any.js", "failed"),
        ("url/fails.any.js :: one is two", "failed"),
        ("url/variants.any.js?b :: which", "failed"),
    ];
    assert_eq!(failing(&report), expected.map(|(name, kind)| (name.to_owned(), kind.to_owned())).into(), "{report}");
    assert_eq!(report["areas"]["url"], json!({ "passed": 6, "failed": 2, "skipped": 2 }));
    assert_eq!(report["areas"]["encoding"], json!({ "passed": 2, "failed": 3, "skipped": 0 }));
    assert_eq!(report["areas"].as_object().map(serde_json::Map::len), Some(2));
}

/// HMAC with SHA-256: vectors of RFC 4231, 4.2, one of them spoilt and said to be so, one spoilt and said to be sound.
fn wycheproof() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let vector = |number: u32, tag: &str, result: &str| json!({ "tcId": number, "key": "0b".repeat(20), "msg": "4869205468657265", "tag": tag, "result": result, "flags": [] });
    let sound = "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7";
    let spoilt = sound.replace("b0344c", "b0344d");
    let tests = json!([
        vector(1, sound, "valid"),
        vector(2, &spoilt, "invalid"),
        vector(3, &spoilt, "valid"),
        vector(4, sound, "invalid")
    ]);
    let file = json!({ "algorithm": "HMACSHA256", "numberOfTests": 4, "testGroups": [{ "type": "MacTest", "tagSize": 256, "tests": tests }] });
    write(folder.path(), "testvectors_v1/hmac_sha256_test.json", &file.to_string());
    write(
        folder.path(),
        "testvectors_v1/rot13_test.json",
        r#"{"algorithm":"ROT13","numberOfTests":3,"testGroups":[]}"#,
    );
    write(folder.path(), "testvectors_v1/broken_test.json", "{");
    folder
}

#[test]
fn vectors_are_counted_one_by_one() {
    let suite = wycheproof();
    let report = run("wycheproof", suite.path(), &["--json"]).json();
    let file = "testvectors_v1/hmac_sha256_test.json";
    let expected = [
        (format!("{file} :: vector 3"), "failed".to_owned()),
        (format!("{file} :: vector 4"), "failed".to_owned()),
        ("testvectors_v1/broken_test.json".to_owned(), "unreadable".to_owned()),
    ];
    assert_eq!(failing(&report), expected.into(), "{report}");
    assert_eq!(report["areas"]["HMACSHA256"], json!({ "passed": 2, "failed": 2, "skipped": 0 }));
    assert_eq!(report["areas"]["ROT13"], json!({ "passed": 0, "failed": 0, "skipped": 3 }));
}

#[test]
fn what_is_no_checkout_is_told_with_what_was_looked_for() {
    let (empty, suite) = (tempfile::tempdir().unwrap(), test262());
    for (suite, folder, said) in [
        ("test262", empty.path(), ["harness/assert.js", "git clone"]),
        ("wpt", empty.path(), ["resources/testharness.js", "git clone"]),
        ("wycheproof", empty.path(), ["testvectors_v1", "git clone"]),
        ("test262", Path::new("/nowhere/at/all"), ["no such folder", "git clone"]),
    ] {
        let ran = run(suite, folder, &[]);
        assert_eq!(ran.code, Some(2), "{ran:?}");
        assert!(said.iter().all(|text| ran.stderr.contains(text)), "{ran:?}");
    }
    let none = run("test262", suite.path(), &["--filter", "no such test"]);
    assert_eq!(none.code, Some(2), "{none:?}");
    assert!(none.stderr.contains("\"no such test\"") && none.stderr.contains("hint:"), "{none:?}");
}
