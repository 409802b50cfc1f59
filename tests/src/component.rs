//! Components out of text, and packages around components.

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
    std::fs::write(folder.path().join("applet.wasm"), component).expect("files can be written");
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
