//! The package format from outside: what goes in comes out, and nothing else is accepted.

use std::collections::BTreeMap;

use belljar_package::*;
use proptest::prelude::*;

fn descriptor() -> Descriptor {
    Descriptor {
        format: FORMAT_VERSION,
        id: "hello".into(),
        version: semver::Version::new(1, 2, 3),
        name: Text::Plain("Hello".into()),
        description: Some(Text::ByLocale(BTreeMap::from([
            ("de".into(), "Hallo".into()),
            ("en".into(), "Hello".into()),
        ]))),
        about: About { author: Some("Ada".into()), keywords: vec!["greeting".into()], ..About::default() },
        runtime: Runtime {
            engine: Engine::Wasm,
            version: Some(">=0.1".parse().expect("a range")),
            entrypoint: "src/main.ts".into(),
            limits: Limits { max_memory_mb: Some(64), ..Limits::default() },
            health_check: None,
            locales: vec!["en".into(), "de-AT".into()],
            external: Vec::new(),
            is_server: false,
        },
        handlers: vec![
            Handler { name: "default".into(), export: "default".into(), trigger: Trigger::Call {} },
            Handler {
                name: "hook".into(),
                export: "hook".into(),
                trigger: Trigger::Http {
                    method: "POST".into(),
                    path: "/hook/:id".into(),
                    auth: Auth::None,
                    permissions: vec![],
                    rate_limit_per_minute: Some(60),
                    cors: Some(Cors {
                        origins: vec!["https://app.example".into()],
                        methods: vec!["POST".into()],
                        headers: vec!["x-api-key".into()],
                        credentials: true,
                        max_age_s: 600,
                    }),
                },
            },
        ],
        cors: None,
        permissions: Permissions { db: true, ..Permissions::default() },
        config: vec![ConfigField {
            min: Some(0.0),
            max: Some(2.0),
            ..ConfigField::new("temperature", ConfigType::Number)
        }],
    }
}

fn package() -> Package {
    Package {
        descriptor: descriptor(),
        bundle: "export default () => 'hello';\n".into(),
        source_map: r#"{"version":3,"sources":[],"names":[],"mappings":""}"#.into(),
        files: BTreeMap::from([
            ("assets/logo.svg".into(), b"<svg/>".to_vec()),
            ("migrations/0001.sql".into(), vec![0, 255, 10]),
        ]),
    }
}

fn error(bytes: &[u8]) -> String {
    Package::decode(bytes).expect_err("it should be refused").to_string()
}

#[test]
fn comes_back_as_it_went() {
    let bytes = package().encode().expect("it encodes");
    assert_eq!(Package::decode(&bytes).expect("it decodes"), package());
    assert_eq!(package().encode().expect("it encodes"), bytes, "the same package gives the same bytes");
    assert_eq!(package().digest().expect("it encodes"), blake3::hash(&bytes));
}

#[test]
fn packages_of_npm_travel_with_process_engines_only() {
    let mut with = package();
    with.files.insert("node_modules/@s/a/i.js".into(), b"1".to_vec());
    assert!(with.encode().expect_err("no package is named").to_string().contains("node_modules/@s/a/i.js"));
    with.descriptor.runtime.external = vec!["@s/a".into()];
    assert!(with.encode().expect_err("a sandbox has no packages").to_string().contains("runtime.external"));
    with.descriptor.runtime.engine = Engine::Bun;
    let bytes = with.encode().expect("it encodes");
    assert_eq!(Package::decode(&bytes).expect("it decodes"), with);
    with.files.insert("node_modules/.bin/a".into(), b"1".to_vec());
    assert!(with.encode().is_err());
}

#[test]
fn a_component_travels_alone() {
    let mut with = package();
    with.files.insert(COMPONENT_PATH.into(), b"\0asm\x0d\0\x01\0".to_vec());
    assert!(with.encode().expect_err("it is no component").to_string().contains("\"component.wasm\" is not allowed"));
    with.descriptor.runtime.engine = Engine::Component;
    assert!(with.encode().expect_err("it has locales").to_string().contains("runtime.locales"));
    with.descriptor.runtime.locales.clear();
    assert!(with.encode().expect_err("it has a bundle").to_string().contains("bundle.mjs"));
    with.bundle.clear();
    assert!(with.encode().expect_err("it has a source map").to_string().contains("bundle.mjs.map"));
    with.source_map.clear();
    let bytes = with.encode().expect("it encodes");
    assert_eq!(Package::decode(&bytes).expect("it decodes"), with);
    with.files.remove(COMPONENT_PATH);
    assert!(with.encode().expect_err("there is none").to_string().contains("it is missing"));
}

#[test]
fn pages_are_routes_like_others() {
    let render = |json: &str| -> Trigger { serde_json::from_str(json).expect("a trigger") };
    let check = |trigger: Trigger, ok: bool| {
        let mut package = package();
        package.descriptor.handlers[0].trigger = trigger;
        assert_eq!(package.encode().is_ok(), ok, "{:?}", package.descriptor.handlers[0]);
    };
    // As packages had it before pages were rendered: the same bytes.
    let old = r#"{"type":"render","component":"a.tsx"}"#;
    assert_eq!(serde_json::to_string(&render(old)).expect("JSON"), old);
    assert!(render(old).route().is_none());
    check(render(old), true);
    check(
        render(r#"{"type":"render","component":"a.tsx","path":"/a/:b","permissions":["x"],"rate_limit_per_minute":5}"#),
        true,
    );
    check(render(r#"{"type":"render","component":"a.tsx","path":"a"}"#), false);
    check(render(r#"{"type":"render","component":"a.tsx","auth":"none"}"#), false);
    check(render(r#"{"type":"render","component":"/a.tsx"}"#), false);
}

#[test]
fn is_a_plain_tar_that_any_tool_lists() {
    let bytes = package().encode().expect("it encodes");
    let mut archive = tar::Archive::new(bytes.as_slice());
    let paths: Vec<String> = archive
        .entries()
        .expect("entries")
        .map(|entry| entry.expect("an entry").path().expect("a path").to_string_lossy().into_owned())
        .collect();
    let expected = [DESCRIPTOR_PATH, BUNDLE_PATH, SOURCE_MAP_PATH, "assets/logo.svg", "migrations/0001.sql", SEAL_PATH];
    assert_eq!(paths, expected);
}

#[test]
fn every_truncation_is_told() {
    let bytes = package().encode().expect("it encodes");
    for length in 1..bytes.len() {
        match Package::decode(&bytes[..length]) {
            Err(PackageError::Truncated { offset, needed, left, .. }) => {
                assert_eq!(offset + left, length);
                assert!(left < needed);
            }
            other => panic!("{length} of {} bytes gave {other:?}", bytes.len()),
        }
    }
    assert_eq!(error(&[]), "not a belljar package: the file is empty");
    assert_eq!(
        error(&bytes[..bytes.len() - 1]),
        format!(
            "package is truncated: the end of the archive needs 1024 bytes at offset {}, 1023 are left",
            bytes.len() - 1024
        )
    );
}

#[test]
fn every_flipped_bit_is_noticed() {
    let bytes = package().encode().expect("it encodes");
    for index in 0..bytes.len() {
        for bit in [0x01, 0x20, 0x80] {
            let mut damaged = bytes.clone();
            damaged[index] ^= bit;
            assert!(Package::decode(&damaged).is_err(), "bit {bit:#x} of byte {index}");
        }
    }
}

#[test]
fn other_files_are_named_for_what_they_are() {
    assert_eq!(error(b"\x1f\x8b\x08rest"), "not a belljar package: it is gzip data");
    assert_eq!(error(b"PK\x03\x04"), "not a belljar package: it is a zip archive");
    assert_eq!(error(b"\0asm\x01\0\0\0"), "not a belljar package: it is a WebAssembly module or component");
    assert_eq!(error(b"id: hello\n"), "not a belljar package: its first entry is not belljar.json");
    let mut other = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(0);
    other.append_data(&mut header, "README.md", &b""[..]).expect("a tar");
    let other = other.into_inner().expect("a tar");
    assert_eq!(error(&other), "not a belljar package: it is another tar archive");
}

/// A tar as a stranger could make it: these entries, in this order, with this end.
fn tar_of(entries: &[(&str, &[u8])], end: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for (path, data) in entries {
        let mut header = tar::Header::new_ustar();
        header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
        header.set_size(data.len() as u64);
        header.set_entry_type(tar::EntryType::Regular);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_cksum();
        out.extend_from_slice(header.as_bytes());
        out.extend_from_slice(data);
        out.resize(out.len().div_ceil(512) * 512, 0);
    }
    if end > 0 {
        let seal = format!("{}\n", blake3::hash(&out).to_hex());
        let mut header = tar::Header::new_ustar();
        header.as_mut_bytes()[..SEAL_PATH.len()].copy_from_slice(SEAL_PATH.as_bytes());
        header.set_size(seal.len() as u64);
        header.set_entry_type(tar::EntryType::Regular);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_cksum();
        out.extend_from_slice(header.as_bytes());
        out.extend_from_slice(seal.as_bytes());
        out.resize(out.len().div_ceil(512) * 512 + end, 0);
    }
    out
}

fn index(edit: impl FnOnce(&mut serde_json::Value), entries: &[(&str, &[u8])]) -> Vec<u8> {
    let listed: Vec<_> = entries
        .iter()
        .map(|(path, data)| {
            serde_json::json!({"path": path, "bytes": data.len(), "blake3": blake3::hash(data).to_hex().as_str()})
        })
        .collect();
    let mut value = serde_json::json!({"descriptor": descriptor(), "entries": listed});
    edit(&mut value);
    let mut json = serde_json::to_vec(&value).expect("JSON");
    json.push(b'\n');
    json
}

#[test]
fn a_strangers_tar_is_held_to_the_same_form() {
    let bundle: (&str, &[u8]) = (BUNDLE_PATH, b"export default 1");
    let map: (&str, &[u8]) = (SOURCE_MAP_PATH, b"{}");
    let check = |json: &[u8], rest: &[(&str, &[u8])], end: usize, expected: &str| {
        let mut entries: Vec<(&str, &[u8])> = vec![(DESCRIPTOR_PATH, json)];
        entries.extend_from_slice(rest);
        let bytes = tar_of(&entries, end);
        match Package::decode(&bytes) {
            Ok(_) => assert_eq!(expected, "ok"),
            Err(error) => assert!(error.to_string().contains(expected), "{error} should tell {expected:?}"),
        }
    };
    let plain = index(|_| {}, &[bundle, map]);
    check(&plain, &[bundle, map], 1024, "ok");
    check(&plain, &[bundle, map], 2048, "data after the end");
    check(&plain, &[bundle, map], 512, "truncated");
    check(&plain, &[bundle, map, ("assets/x", b"extra")], 1024, "expected the file \"belljar.seal\"");
    check(&plain, &[bundle, bundle, map], 1024, "expected the file \"bundle.mjs.map\"");
    check(&plain, &[map, bundle], 1024, "expected the file \"bundle.mjs\"");
    check(&plain, &[(BUNDLE_PATH, b"export default 2"), map], 1024, "the digest of \"bundle.mjs\"");
    check(&plain, &[(BUNDLE_PATH, b"short"), map], 1024, "not the one belljar.json tells");
    check(&index(|v| v["descriptor"]["format"] = 2.into(), &[bundle, map]), &[bundle, map], 1024, "package format 2");
    check(&index(|v| v["descriptor"]["id"] = "../x".into(), &[bundle, map]), &[bundle, map], 1024, "id: use 3 to 50");
    check(&index(|v| v["more"] = 1.into(), &[bundle, map]), &[bundle, map], 1024, "belljar.json cannot be read");
    check(b"{]", &[bundle, map], 1024, "belljar.json cannot be read");
    let escaping: [(&str, &[u8]); 3] = [bundle, map, ("assets/../../x", b"")];
    check(&index(|_| {}, &escaping), &escaping, 1024, "leaves the applet's folder");
    let outside: [(&str, &[u8]); 3] = [bundle, map, ("other", b"")];
    check(&index(|_| {}, &outside), &outside, 1024, "under assets/ or migrations/");
    let unsorted: [(&str, &[u8]); 4] = [bundle, map, ("assets/b", b""), ("assets/a", b"")];
    check(&index(|_| {}, &unsorted), &unsorted, 1024, "twice or out of order");
    let twice: [(&str, &[u8]); 4] = [bundle, map, ("assets/a", b""), ("assets/a", b"")];
    check(&index(|_| {}, &twice), &twice, 1024, "twice or out of order");
    let mut spaced = plain.clone();
    spaced.insert(1, b' ');
    check(&spaced, &[bundle, map], 1024, "not in the one form");
}

#[test]
fn what_cannot_be_read_is_not_written() {
    let with = |path: &str, data: Vec<u8>| {
        let mut package = package();
        package.files.insert(path.into(), data);
        package.encode().expect_err("it should be refused").to_string()
    };
    assert!(with("assets/../x", vec![]).contains("leaves the applet's folder"));
    assert!(with("assets/big", vec![0; PACKAGE_BYTES_MAX]).contains("67108864 are allowed"));
    let mut twice = package();
    twice.descriptor.handlers[1].name = "default".into();
    assert!(twice.encode().expect_err("refused").to_string().contains("handlers[1].name: the name is used twice"));
}

prop_compose! {
    fn any_package()(
        bundle in ".{0,600}",
        source_map in ".{0,600}",
        name in "[a-zA-Z äöü]{0,40}x",
        fuel in proptest::option::of(any::<u64>()),
        ports in proptest::collection::vec(1u16.., 0..3),
        files in proptest::collection::btree_map(
            "(assets|migrations)/[a-z0-9._-]{0,60}[a-z]{1,60}(/[a-z]{1,60}){0,1}",
            proptest::collection::vec(any::<u8>(), 0..1500),
            0..5,
        ),
    ) -> Package {
        let mut descriptor = descriptor();
        descriptor.name = Text::Plain(name);
        descriptor.runtime.limits.fuel_max = fuel;
        descriptor.permissions.http =
            vec![HttpRule { host: "api.example.com".into(), ports, methods: vec!["GET".into()], allow_http: false }];
        Package { descriptor, bundle, source_map, files }
    }
}

proptest! {
    #[test]
    fn any_package_comes_back(package in any_package()) {
        match package.encode() {
            Ok(bytes) => {
                let back = Package::decode(&bytes).expect("what is written can be read");
                prop_assert_eq!(back.encode().expect("it encodes"), bytes);
                prop_assert_eq!(back, package);
            }
            // ustar holds a long path only when it can be cut at a '/'.
            Err(error) => prop_assert!(matches!(error, PackageError::Path { .. } | PackageError::Write(_)), "{}", error),
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..4096)) {
        prop_assert!(Package::decode(&bytes).is_err());
    }

    #[test]
    fn splices_never_panic(package in any_package(), at in any::<usize>(), insert in proptest::collection::vec(any::<u8>(), 1..700)) {
        if let Ok(mut bytes) = package.encode() {
            let at = at % bytes.len();
            bytes.splice(at..at, insert);
            prop_assert!(Package::decode(&bytes).is_err());
        }
    }
}
