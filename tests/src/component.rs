//! Components out of text and of JavaScript, and packages around components.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;

use belljar::Digest;
use belljar::package::{COMPONENT_PATH, Package};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// What every component of text has: memory, `cabi_realloc`, and answers. The first 64 KiB are the test's; data from 4096 on.
const PRELUDE: &str = r#"
(memory (export "memory") 2)
(global $next (mut i32) (i32.const 65536))
(func $alloc (export "cabi_realloc") (param $old i32) (param $old_size i32) (param $align i32) (param $size i32) (result i32)
  (local $at i32)
  (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
  (global.set $next (i32.add (local.get $at) (local.get $size)))
  (block $enough
    (loop $again
      (br_if $enough (i32.le_u (global.get $next) (i32.mul (memory.size) (i32.const 65536))))
      (if (i32.eq (memory.grow (i32.const 1)) (i32.const -1)) (then unreachable))
      (br $again)))
  (local.get $at))
;; result::ok(reply::value(some(text)))
(func $text (param $at i32) (param $bytes i32) (result i32)
  (i32.store8 (i32.const 1024) (i32.const 0))
  (i32.store8 (i32.const 1028) (i32.const 0))
  (i32.store8 (i32.const 1032) (i32.const 1))
  (i32.store (i32.const 1036) (local.get $at))
  (i32.store (i32.const 1040) (local.get $bytes))
  (i32.const 1024))
;; The same with a number in decimal.
(func $number (param $n i64) (result i32)
  (local $at i32)
  (local.set $at (i32.const 2048))
  (loop $digits
    (local.set $at (i32.sub (local.get $at) (i32.const 1)))
    (i32.store8 (local.get $at) (i32.add (i32.const 48) (i32.wrap_i64 (i64.rem_u (local.get $n) (i64.const 10)))))
    (local.set $n (i64.div_u (local.get $n) (i64.const 10)))
    (br_if $digits (i64.ne (local.get $n) (i64.const 0))))
  (call $text (local.get $at) (i32.sub (i32.const 2048) (local.get $at))))
"#;

/// A component of the world of `wit/component`. `imports` are lines of a world (`import wasi:cli/exit@0.2.12;`), `interfaces` the packages
/// they name; `functions` the text of a core module: `handle` has an address as its parameter and its result.
///
/// # Panics
/// When it is no component.
pub fn of_text(imports: &str, interfaces: &str, core_imports: &str, functions: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    resolve.push_dir(crate::repository().join("wit/component")).expect("the interfaces can be read");
    let world = format!(
        "package test:text@1.0.0;\nworld made {{ include belljar:component/applet@0.1.0; {imports} }}\n{interfaces}"
    );
    let made = resolve.push_str("made.wit", &world).unwrap_or_else(|error| panic!("{error:?}"));
    let world = resolve.select_world(&[made], Some("made")).expect("there is one");
    let text = format!("(module {core_imports} {PRELUDE} {functions})");
    let mut module = wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}"));
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).expect("it can be embedded");
    let encoder =
        ComponentEncoder::default().validate(true).module(&module).unwrap_or_else(|error| panic!("{error:?}"));
    { encoder }.encode().unwrap_or_else(|error| panic!("{error:?}"))
}

/// The component that componentize-js makes of a script of the repository, for the world of `wit/component`; `None`, with a word, when it is not
/// installed. Of the processes that want it one makes it.
///
/// # Panics
/// When it cannot be made.
pub fn of_javascript(script: &str) -> Option<Vec<u8>> {
    let installed = crate::npm::installed("components", "tests/components")?;
    let repository = crate::repository();
    let (script, wit) = (repository.join(script), repository.join("wit/component"));
    let build = repository.join("tests/components/build.mjs");
    let lock = repository.join("tests/components/package-lock.json");
    let mut inputs: Vec<PathBuf> = crate::host::files(&wit).chain([script.clone(), build.clone(), lock]).collect();
    inputs.sort();
    let key: Vec<u8> = inputs.iter().flat_map(|path| fs::read(path).expect("it can be read")).collect();
    // Branches side by side have scripts of their own.
    let name = Digest::of(script.as_os_str().as_encoded_bytes()).to_hex();
    let file = |extension: &str| installed.join(format!("{name}.{extension}"));
    let (made, known) = (file("wasm"), file("inputs"));
    let lock = File::create(file("lock")).expect("it can be made");
    lock.lock().expect("the lock is free at some time");
    if !fs::read(&known).is_ok_and(|known| known == key) {
        // Node looks for packages beside the script.
        let beside = file("mjs");
        fs::copy(build, &beside).expect("it can be copied");
        let output =
            Command::new("node").arg(&beside).args([&script, &wit, &made]).output().expect("node starts: npm did");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        fs::write(&known, &key).expect("it can be written");
    }
    Some(fs::read(made).expect("it was made"))
}

/// A package around a component. `manifest` is what comes after its first keys and `runtime`'s engine and entrypoint.
///
/// # Panics
/// When it cannot be built.
pub fn package_of(id: &str, manifest: &str, component: &[u8]) -> Vec<u8> {
    let folder = folder(id, manifest, component);
    crate::applet::package(folder.path())
}

/// The folder of such an applet.
pub fn folder(id: &str, manifest: &str, component: &[u8]) -> tempfile::TempDir {
    let manifest = format!(
        "id: {id}\nversion: 1.0.0\nname: Test\nruntime:\n  engine: component\n  entrypoint: applet.wasm\n{manifest}"
    );
    let folder = crate::applet::folder(&[("manifest.yaml", &manifest)]);
    fs::write(folder.path().join("applet.wasm"), component).expect("files can be written");
    folder
}

/// The package with another component, which no build has seen.
///
/// # Panics
/// When it is no package of a component.
pub fn with_component(package: &[u8], component: &[u8]) -> Vec<u8> {
    let mut package = Package::decode(package).expect("it is a package");
    package.files.insert(COMPONENT_PATH.to_owned(), component.to_vec());
    package.encode().expect("it can be encoded")
}
