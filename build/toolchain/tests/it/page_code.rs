//! The code around components (`src/pages/*.mjs`), as Node runs it; skipped, with a word, where there is none.

use std::process::Command;

use serde_json::{Value, json};

/// Calls an exported function of one of the files for each list of arguments. A thrown error counts as its message.
fn call(file: &str, function: &str, calls: &[Value]) -> Option<Vec<Value>> {
    let script = "const [, file, name, calls] = process.argv; const { [name]: f } = await import(file);
        const one = (args) => { try { return f(...args.map((arg) => (arg?.$js === undefined ? arg : (0, eval)(arg.$js)))) ?? null; } catch (error) { return `error: ${error.message}`; } };
        process.stdout.write(JSON.stringify(JSON.parse(calls).map(one)));";
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/pages");
    let arguments = [format!("{path}/{file}"), function.to_owned(), Value::from(calls).to_string()];
    let Ok(output) = Command::new("node").args(["--input-type=module", "-e", script]).args(arguments).output() else {
        eprintln!("skipped: node is not installed");
        return None;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(serde_json::from_slice(&output.stdout).expect("it tells JSON"))
}

#[test]
fn the_base_of_a_page_is_what_its_path_has_before_the_route() {
    let cases = [
        ("/acme/fin/reports/7?x=1", "/reports/:id", json!({ "id": "7" }), "/acme/fin", "/reports/7"),
        ("/acme/fin/reports/7/", "/reports/:id", json!({ "id": "7" }), "/acme/fin", "/reports/7/"),
        ("/reports/a%20b", "/reports/:id", json!({ "id": "a b" }), "", "/reports/a%20b"),
        // The tenant's name is a part of the route, too.
        (
            "/reports/reports/reports/reports",
            "/reports/:id",
            json!({ "id": "reports" }),
            "/reports/reports",
            "/reports/reports",
        ),
        ("/acme/fin", "/", json!({}), "/acme/fin", "/"),
        ("/acme/fin/", "/", json!({}), "/acme/fin", "/"),
        ("/", "/", json!({}), "", "/"),
        ("/acme/fin/files/a/b%2Fc", "/files/*", json!({ "*": "a/b/c" }), "/acme/fin", "/files/a/b%2Fc"),
        ("/acme/fin/files", "/files/*", json!({ "*": "" }), "/acme/fin", "/files"),
        ("/acme/fin/x/y", "/*", json!({ "*": "x/y" }), "/acme/fin", "/x/y"),
        ("/acme/fin/100%25", "/:part", json!({ "part": "100%" }), "/acme/fin", "/100%25"),
        // Nothing of it names another host.
        ("//evil.example/x", "/*", json!({ "*": "/evil.example/x" }), "", "//evil.example/x"),
        ("//evil.example/x", "/x", json!({}), "", "//evil.example/x"),
    ];
    let calls: Vec<Value> =
        cases.iter().map(|(path, route, params, ..)| json!([format!("http://h{path}"), route, params])).collect();
    let Some(found) = call("place.mjs", "place", &calls) else { return };
    for ((path, route, _, base, own), found) in cases.iter().zip(found) {
        assert_eq!(found, json!({ "base": base, "path": own }), "{path} by {route}");
    }
    let undefined = json!({ "$js": "undefined" });
    let found = call("place.mjs", "place", &[json!([undefined, "/", {}])]).expect("node is there");
    assert_eq!(found, [json!({ "base": "", "path": "" })], "it was called by name");
}

#[test]
fn the_locale_of_a_page_is_one_of_the_manifests() {
    let cases = [
        ("de-AT", vec!["en", "de"], "de"),
        ("DE", vec!["en", "de"], "de"),
        ("pt", vec!["en", "pt-BR"], "pt-BR"),
        ("zh-Hant-HK", vec!["en", "zh-Hans", "zh-Hant"], "zh-Hant"),
        ("ja", vec!["en", "de"], "en"),
        ("x-private", vec![], "x-private"),
    ];
    let calls: Vec<Value> = cases.iter().map(|(wanted, locales, _)| json!([wanted, locales])).collect();
    let Some(found) = call("place.mjs", "closest", &calls) else { return };
    let expected: Vec<&str> = cases.iter().map(|(.., expected)| *expected).collect();
    assert_eq!(found, expected);
}

#[test]
fn data_cannot_end_its_element_and_is_what_json_has() {
    let props = |code: &str| json!([{ "$js": format!("({{ props: {{ {code} }}, page: {{ path: '</script>' }} }})") }]);
    let good = props(r"a: '</script><!--<script>&\u2028\u2029', b: [1.5, true, null, { 'x y': 'ü' }]");
    let bad = [
        ("a: undefined", "props.a is undefined"),
        ("a: [1, , 3]", "props.a[1] is undefined"),
        ("a: 1n", "props.a is a BigInt"),
        ("a: { 'x y': [new Date(0)] }", "props.a[\"x y\"][0] is a Date"),
        ("a: NaN", "props.a is NaN"),
        ("a: -Infinity", "props.a is -Infinity"),
        ("a: new Map()", "props.a is a Map"),
        ("a: new (class Order {})()", "props.a is a Order"),
        ("a: () => 1", "props.a is a function"),
        ("a: Symbol('x')", "props.a is a symbol"),
        ("get a() { const own = {}; own.own = own; return own; }", "props.a.own is an object that contains itself"),
    ];
    let calls: Vec<Value> = std::iter::once(good).chain(bad.iter().map(|(code, _)| props(code))).collect();
    let Some(found) = call("json.mjs", "jsonText", &calls) else { return };
    let text = found[0].as_str().expect("it is a text");
    assert!(!text.contains(['<', '>', '&', '\u{2028}', '\u{2029}']), "{text}");
    let read: Value = serde_json::from_str(text).expect("it is JSON");
    let expected = json!({ "a": "</script><!--<script>&\u{2028}\u{2029}", "b": [1.5, true, null, { "x y": "ü" }] });
    assert_eq!(read, json!({ "props": expected, "page": { "path": "</script>" } }));
    for ((code, words), found) in bad.iter().zip(&found[1..]) {
        assert!(
            found.as_str().is_some_and(|text| text.starts_with(&format!("error: {words}, which JSON does not have"))),
            "{code}: {found}"
        );
    }
    // One object in two places is no circle.
    let twice = call(
        "json.mjs",
        "jsonText",
        &[json!([{ "$js": "(() => { const one = { x: 1 }; return { props: { a: one, b: one } }; })()" }])],
    );
    assert_eq!(twice.expect("node is there")[0], r#"{"props":{"a":{"x":1},"b":{"x":1}}}"#);
}
